//! Parquet files: read with projection by column name, written with Arrow's writer.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType as ArrowType, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use weir_core::config::bad_value;
use weir_core::{DataType, Error, Options, Result, Schema};

use super::projection::Projection;
use super::{FormatColumn, ReadSchema, check_own_options, field_of};

/// Options of the format, without prefix.
pub const OPTIONS: &[&str] = &["compression"];

/// How Parquet files are written.
#[derive(Debug, Clone)]
pub struct ParquetOptions {
    compression: Compression,
}

impl ParquetOptions {
    /// Reads the format's options, whose full names start with `prefix`.
    pub fn new(options: &Options, prefix: &str) -> Result<Self> {
        check_own_options(options, prefix, OPTIONS)?;
        let name = options.get("compression").unwrap_or("SNAPPY");
        let compression = match name.to_uppercase().as_str() {
            "SNAPPY" => Compression::SNAPPY,
            "ZSTD" => Compression::ZSTD(ZstdLevel::default()),
            "LZ4" | "LZ4_RAW" => Compression::LZ4_RAW,
            "NONE" | "UNCOMPRESSED" => Compression::UNCOMPRESSED,
            _ => {
                let key = format!("{prefix}compression");
                let expected = "'SNAPPY', 'ZSTD', 'LZ4_RAW' or 'UNCOMPRESSED'";
                return Err(bad_value(&key, name, expected));
            }
        };
        Ok(Self { compression })
    }
}

/// Reads the footer of a file.
pub fn footer(path: &Path) -> Result<ArrowReaderMetadata> {
    let failed = |e: &dyn std::fmt::Display| unreadable(path, e);
    let input = File::open(path).map_err(|e| failed(&e))?;
    let load = |options| ArrowReaderMetadata::load(&input, options).map_err(|e| failed(&e));
    let footer = load(ArrowReaderOptions::new())?;
    // Decoding into plain strings at once is cheaper than casting views to them.
    let is_view = |t: &ArrowType| matches!(t, ArrowType::Utf8View | ArrowType::BinaryView);
    if footer.schema().fields().iter().any(|f| is_view(f.data_type())) {
        return load(ArrowReaderOptions::new().with_skip_arrow_metadata(true));
    }
    Ok(footer)
}

fn unreadable(path: &Path, e: &dyn std::fmt::Display) -> Error {
    Error::io(format!("cannot read Parquet file {}: {e}", path.display()))
}

/// Reads the wanted columns of one file.
pub struct ParquetReader {
    reader: ParquetRecordBatchReader,
    projection: Projection,
    /// Names on the way to each slot, and its type.
    slots: Vec<(Vec<String>, DataType)>,
    file: String,
}

impl ParquetReader {
    /// Opens a file, or one of its row groups, after `skip` rows.
    pub fn open(
        path: &Path,
        footer: ArrowReaderMetadata,
        group: Option<usize>,
        read: &ReadSchema,
        skip: usize,
        batch: usize,
    ) -> Result<Self> {
        let paths = read
            .columns
            .iter()
            .map(|c| match c {
                FormatColumn::Path(p) => Ok(p.clone()),
                FormatColumn::Metadata(key) => Err(Error::validation(format!(
                    "format 'parquet' has no metadata column '{key}'"
                ))),
            })
            .collect::<Result<Vec<_>>>()?;
        let projection = Projection::new(&read.physical, &paths, true)?;
        let slots = projection
            .slots
            .iter()
            .map(|s| Ok((names(&read.physical, &s.path)?, s.ty.clone())))
            .collect::<Result<Vec<_>>>()?;
        let file = path.display().to_string();
        let failed = |e: &dyn std::fmt::Display| unreadable(path, e);
        let input = File::open(path).map_err(|e| failed(&e))?;
        let mut builder = ParquetRecordBatchReaderBuilder::new_with_metadata(input, footer);
        if let Some(group) = group {
            builder = builder.with_row_groups(vec![group]);
        }
        let wanted: Vec<String> = slots.iter().map(|(n, _)| n.join(".")).collect();
        let mask =
            ProjectionMask::columns(builder.parquet_schema(), wanted.iter().map(String::as_str));
        let reader = builder
            .with_projection(mask)
            .with_offset(skip)
            .with_batch_size(batch)
            .build()
            .map_err(|e| failed(&e))?;
        Ok(Self { reader, projection, slots, file })
    }

    /// The next rows: the wanted columns and the row count.
    pub fn next_batch(&mut self) -> Result<Option<(Vec<ArrayRef>, usize)>> {
        let Some(batch) = self.reader.next() else { return Ok(None) };
        let batch =
            batch.map_err(|e| Error::io(format!("cannot read Parquet file {}: {e}", self.file)))?;
        let rows = batch.num_rows();
        let slots = self
            .slots
            .iter()
            .map(|(names, ty)| pick(&batch, names, ty))
            .collect::<Result<Vec<_>>>()
            .map_err(|e| e.context(format!("while reading Parquet file {}", self.file)))?;
        Ok(Some((self.projection.outputs(&slots)?, rows)))
    }
}

fn names(physical: &Schema, path: &[usize]) -> Result<Vec<String>> {
    let mut fields = physical.fields.as_slice();
    let mut out = Vec::new();
    for i in path {
        let f = fields.get(*i).ok_or_else(|| Error::internal("column path does not exist"))?;
        out.push(f.name.clone());
        fields = f.ty.fields().unwrap_or(&[]);
    }
    Ok(out)
}

/// The column at a path of names, in the wanted type; NULLs if the file does not have it.
fn pick(batch: &RecordBatch, names: &[String], ty: &DataType) -> Result<ArrayRef> {
    let wanted = ty.to_arrow();
    let missing = || Ok(new_null_array(&wanted, batch.num_rows()));
    let Some((first, rest)) = names.split_first() else { return missing() };
    let Some(mut array) = batch.column_by_name(first).cloned() else { return missing() };
    for name in rest {
        let Some(row) = array.as_struct_opt() else { return missing() };
        let Some((at, _)) = row.fields().iter().enumerate().find(|(_, f)| f.name() == name) else {
            return missing();
        };
        array = field_of(&array, &[at])?;
    }
    if array.data_type() == &wanted {
        return Ok(array);
    }
    let options = CastOptions { safe: false, ..Default::default() };
    cast_with_options(&array, &wanted, &options).map_err(|e| {
        Error::data(format!(
            "column '{}' of Arrow type {} cannot be read as {ty}: {e}",
            names.join("."),
            array.data_type()
        ))
    })
}

/// Writes one Parquet file.
pub struct ParquetWriter<W: Write + Send> {
    writer: ArrowWriter<W>,
    schema: SchemaRef,
}

impl<W: Write + Send> ParquetWriter<W> {
    /// Starts a file with these columns.
    pub fn new(output: W, schema: &Schema, options: &ParquetOptions) -> Result<Self> {
        let schema = schema.to_arrow();
        let properties = WriterProperties::builder().set_compression(options.compression).build();
        let writer = ArrowWriter::try_new(output, Arc::clone(&schema), Some(properties))
            .map_err(|e| Error::validation(format!("cannot write Parquet: {e}")))?;
        Ok(Self { writer, schema })
    }

    /// Appends rows.
    pub fn write(&mut self, columns: Vec<ArrayRef>) -> Result<()> {
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        self.writer.write(&batch).map_err(|e| Error::io(format!("cannot write Parquet: {e}")))
    }

    /// Bytes written and waiting.
    pub fn size(&self) -> usize {
        self.writer.bytes_written() + self.writer.in_progress_size()
    }

    /// Ends the file.
    pub fn close(self) -> Result<W> {
        self.writer.into_inner().map_err(|e| Error::io(format!("cannot write Parquet: {e}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_core::{Field, TypeKind, Value};

    #[test]
    fn round_trip_with_nested_projection() {
        let row = TypeKind::Row(vec![
            Field::new("x", DataType::int()),
            Field::new("y", DataType::string()),
        ]);
        let s = Schema::new(vec![
            Field::new("a", DataType::decimal(10, 2)),
            Field::new("r", row.into()),
            Field::new("t", DataType::timestamp_ltz(3)),
        ]);
        let values = [
            Value::Decimal(125),
            Value::Row(vec![Value::Int(1), Value::String("z".into())]),
            Value::Timestamp(1500),
        ];
        let columns: Vec<ArrayRef> =
            values.iter().zip(&s.fields).map(|(v, f)| v.to_array(&f.ty).unwrap()).collect();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f.parquet");
        let options = ParquetOptions::new(&Options::new(), "parquet.").unwrap();
        let mut w = ParquetWriter::new(File::create(&path).unwrap(), &s, &options).unwrap();
        w.write(columns.clone()).unwrap();
        w.write(columns).unwrap();
        w.close().unwrap();

        let mut physical = s.clone();
        physical.fields.push(Field::new("later", DataType::int()));
        let read = ReadSchema {
            physical,
            columns: [vec![1, 1], vec![3], vec![2], vec![0]]
                .into_iter()
                .map(FormatColumn::Path)
                .collect(),
            primary_key: Vec::new(),
        };
        let mut r =
            ParquetReader::open(&path, footer(&path).unwrap(), None, &read, 1, 100).unwrap();
        let (columns, rows) = r.next_batch().unwrap().unwrap();
        let got: Vec<Value> = columns.iter().map(|c| Value::from_array(c, 0)).collect();
        assert_eq!(rows, 1);
        assert_eq!(
            got,
            [Value::String("z".into()), Value::Null, Value::Timestamp(1500), Value::Decimal(125)]
        );
        assert!(r.next_batch().unwrap().is_none());
    }
}
