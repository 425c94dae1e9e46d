//! Columns handed to kernels: whole arrays or single constants, with tight accessors.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BinaryArray, BooleanArray, GenericByteArray,
    PrimitiveArray, StringArray,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{BinaryType, ByteArrayType, Utf8Type};
use weir_core::{DataType, Error, Result};

use crate::context::EvalContext;

/// An evaluated argument.
#[derive(Debug, Clone)]
pub(crate) enum Col {
    /// One value per row.
    Array(ArrayRef),
    /// The same value for every row, in an array of length one.
    Scalar(ArrayRef),
}

impl Col {
    pub fn array(&self) -> &ArrayRef {
        match self {
            Col::Array(a) | Col::Scalar(a) => a,
        }
    }
    fn mask(&self) -> usize {
        match self {
            Col::Array(_) => usize::MAX,
            Col::Scalar(_) => 0,
        }
    }
    pub fn is_scalar(&self) -> bool {
        matches!(self, Col::Scalar(_))
    }
    /// An array of the given length.
    pub fn into_array(self, rows: usize) -> Result<ArrayRef> {
        match self {
            Col::Array(a) => Ok(a),
            Col::Scalar(a) if rows == 1 => Ok(a),
            Col::Scalar(a) => {
                let indices = arrow::array::UInt32Array::from(vec![0u32; rows]);
                Ok(arrow::compute::take(&a, &indices, None)?)
            }
        }
    }
}

/// Arguments of one kernel call.
pub(crate) struct Args<'a> {
    pub cols: &'a [Col],
    /// Logical types of the arguments.
    pub types: &'a [DataType],
    pub ret: &'a DataType,
    /// Rows to produce: 1 if every argument is a constant.
    pub rows: usize,
    pub ctx: &'a EvalContext,
}

/// A vectorised function body.
pub(crate) type Kernel = Arc<dyn Fn(&Args<'_>) -> Result<ArrayRef> + Send + Sync>;

/// Strings of an argument.
#[derive(Clone, Copy)]
pub(crate) struct Strs<'a>(&'a StringArray, usize);

impl<'a> Strs<'a> {
    #[inline]
    pub fn get(&self, i: usize) -> &'a str {
        self.0.value(i & self.1)
    }
    pub fn is_null(&self, i: usize) -> bool {
        self.0.is_null(i & self.1)
    }
    /// The value if the argument is a non-null constant.
    pub fn constant(&self) -> Option<&'a str> {
        (self.1 == 0 && !self.0.is_null(0)).then(|| self.0.value(0))
    }
}

/// Byte strings of an argument, of text as its UTF-8.
#[derive(Clone, Copy)]
pub(crate) enum Bytes<'a> {
    Text(&'a StringArray, usize),
    Binary(&'a BinaryArray, usize),
}

impl<'a> Bytes<'a> {
    #[inline]
    pub fn get(&self, i: usize) -> &'a [u8] {
        match self {
            Bytes::Text(a, m) => a.value(i & m).as_bytes(),
            Bytes::Binary(a, m) => a.value(i & m),
        }
    }
}

/// Numbers of an argument.
pub(crate) struct Nums<'a, T: ArrowPrimitiveType>(&'a PrimitiveArray<T>, usize);

impl<T: ArrowPrimitiveType> Clone for Nums<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ArrowPrimitiveType> Copy for Nums<'_, T> {}

impl<T: ArrowPrimitiveType> Nums<'_, T> {
    #[inline]
    pub fn get(&self, i: usize) -> T::Native {
        self.0.value(i & self.1)
    }
    pub fn is_null(&self, i: usize) -> bool {
        self.0.is_null(i & self.1)
    }
}

/// Booleans of an argument.
#[derive(Clone, Copy)]
pub(crate) struct Bools<'a>(&'a BooleanArray, usize);

impl Bools<'_> {
    #[inline]
    pub fn get(&self, i: usize) -> bool {
        self.0.value(i & self.1)
    }
}

impl<'a> Args<'a> {
    pub fn len(&self) -> usize {
        self.cols.len()
    }
    pub fn col(&self, i: usize) -> &'a dyn Array {
        self.cols[i].array().as_ref()
    }
    /// Row of the argument's array that belongs to result row `row`.
    pub fn at(&self, i: usize, row: usize) -> usize {
        row & self.cols[i].mask()
    }
    /// Whether argument `i` is NULL at the row.
    pub fn is_null(&self, i: usize, row: usize) -> bool {
        self.col(i).is_null(self.at(i, row))
    }
    fn wrong(&self, i: usize, wanted: &str) -> Error {
        Error::internal(format!(
            "argument {} is {} where {wanted} was planned",
            i + 1,
            self.col(i).data_type()
        ))
    }
    pub fn strs(&self, i: usize) -> Result<Strs<'a>> {
        let a = self.col(i).as_any().downcast_ref().ok_or_else(|| self.wrong(i, "text"))?;
        Ok(Strs(a, self.cols[i].mask()))
    }
    pub fn bytes(&self, i: usize) -> Result<Bytes<'a>> {
        let (a, m) = (self.col(i), self.cols[i].mask());
        if let Some(t) = a.as_any().downcast_ref::<StringArray>() {
            return Ok(Bytes::Text(t, m));
        }
        match a.as_any().downcast_ref::<BinaryArray>() {
            Some(b) => Ok(Bytes::Binary(b, m)),
            None => Err(self.wrong(i, "bytes")),
        }
    }
    pub fn nums<T: ArrowPrimitiveType>(&self, i: usize) -> Result<Nums<'a, T>> {
        let a = self.col(i).as_primitive_opt::<T>().ok_or_else(|| self.wrong(i, "a number"))?;
        Ok(Nums(a, self.cols[i].mask()))
    }
    pub fn bools(&self, i: usize) -> Result<Bools<'a>> {
        let a = self.col(i).as_boolean_opt().ok_or_else(|| self.wrong(i, "a boolean"))?;
        Ok(Bools(a, self.cols[i].mask()))
    }
    /// Rows where no argument is NULL.
    pub fn nulls(&self) -> Option<NullBuffer> {
        self.nulls_of(0..self.cols.len())
    }
    /// Rows where none of the given arguments is NULL.
    pub fn nulls_of(&self, which: impl IntoIterator<Item = usize>) -> Option<NullBuffer> {
        let mut out: Option<NullBuffer> = None;
        for i in which {
            match &self.cols[i] {
                Col::Array(a) => out = NullBuffer::union(out.as_ref(), a.logical_nulls().as_ref()),
                Col::Scalar(a) if a.is_null(0) || a.data_type().is_null() => {
                    return Some(NullBuffer::new_null(self.rows));
                }
                Col::Scalar(_) => {}
            }
        }
        out
    }

    /// Text per row: `f` appends to the buffer, or returns false for NULL. Not
    /// called for rows with a NULL argument.
    pub fn text(&self, f: impl FnMut(usize, &mut String) -> Result<bool>) -> Result<ArrayRef> {
        build_text(self.rows, self.nulls(), f)
    }
    /// Like [`Args::text`] with the callback seeing every row.
    pub fn text_all(&self, f: impl FnMut(usize, &mut String) -> Result<bool>) -> Result<ArrayRef> {
        build_text(self.rows, None, f)
    }
    /// Bytes per row.
    pub fn binary(
        &self,
        mut f: impl FnMut(usize, &mut Vec<u8>) -> Result<bool>,
    ) -> Result<ArrayRef> {
        build_bytes::<BinaryType>(self.rows, self.nulls(), &mut f)
    }
    /// A number per row where no argument is NULL.
    pub fn number<T: ArrowPrimitiveType>(
        &self,
        mut f: impl FnMut(usize) -> Result<Option<T::Native>>,
    ) -> Result<PrimitiveArray<T>> {
        build_numbers(self.rows, self.nulls(), &mut f)
    }
    /// A number per row that cannot be NULL or fail by itself.
    pub fn plain<T: ArrowPrimitiveType>(
        &self,
        f: impl FnMut(usize) -> T::Native,
    ) -> PrimitiveArray<T> {
        let nulls = self.nulls();
        if nulls.as_ref().is_some_and(|n| n.null_count() == self.rows) {
            return PrimitiveArray::new_null(self.rows);
        }
        let values: Vec<T::Native> = (0..self.rows).map(f).collect();
        PrimitiveArray::new(ScalarBuffer::from(values), nulls)
    }
    /// A boolean per row where no argument is NULL.
    pub fn boolean(&self, f: impl FnMut(usize) -> bool) -> BooleanArray {
        let nulls = self.nulls();
        if nulls.as_ref().is_some_and(|n| n.null_count() == self.rows) {
            return BooleanArray::new_null(self.rows);
        }
        BooleanArray::new(BooleanBuffer::collect_bool(self.rows, f), nulls)
    }
}

/// The column with additional NULLs.
pub(crate) fn with_nulls(array: &ArrayRef, nulls: Option<&NullBuffer>) -> Result<ArrayRef> {
    match nulls {
        Some(n) if n.null_count() > 0 => {
            let keep = BooleanArray::new(!n.inner(), None);
            Ok(arrow::compute::nullif(array, &keep)?)
        }
        _ => Ok(array.clone()),
    }
}

/// Numbers of `rows` rows; `f` is called where `nulls` has a value.
pub(crate) fn build_numbers<T: ArrowPrimitiveType>(
    rows: usize,
    nulls: Option<NullBuffer>,
    f: &mut impl FnMut(usize) -> Result<Option<T::Native>>,
) -> Result<PrimitiveArray<T>> {
    let mut values = vec![T::Native::default(); rows];
    let mut valid: Option<Vec<bool>> = None;
    for (i, slot) in values.iter_mut().enumerate() {
        if nulls.as_ref().is_some_and(|n| n.is_null(i)) {
            continue;
        }
        match f(i)? {
            Some(v) => *slot = v,
            None => valid.get_or_insert_with(|| vec![true; rows])[i] = false,
        }
    }
    let own = valid.map(NullBuffer::from);
    Ok(PrimitiveArray::new(
        ScalarBuffer::from(values),
        NullBuffer::union(nulls.as_ref(), own.as_ref()),
    ))
}

/// Text of `rows` rows; `f` is called where `nulls` has a value.
pub(crate) fn build_text(
    rows: usize,
    nulls: Option<NullBuffer>,
    mut f: impl FnMut(usize, &mut String) -> Result<bool>,
) -> Result<ArrayRef> {
    let mut text = String::new();
    let mut offsets = Vec::with_capacity(rows + 1);
    offsets.push(0i32);
    let mut valid: Option<Vec<bool>> = None;
    for i in 0..rows {
        if !nulls.as_ref().is_some_and(|n| n.is_null(i)) {
            let start = text.len();
            if !f(i, &mut text)? {
                text.truncate(start);
                valid.get_or_insert_with(|| vec![true; rows])[i] = false;
            }
        }
        offsets.push(offset(text.len())?);
    }
    let own = valid.map(NullBuffer::from);
    let nulls = NullBuffer::union(nulls.as_ref(), own.as_ref());
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    Ok(Arc::new(GenericByteArray::<Utf8Type>::try_new(
        offsets,
        Buffer::from_vec(text.into_bytes()),
        nulls,
    )?))
}

fn build_bytes<T: ByteArrayType<Offset = i32>>(
    rows: usize,
    nulls: Option<NullBuffer>,
    f: &mut impl FnMut(usize, &mut Vec<u8>) -> Result<bool>,
) -> Result<ArrayRef> {
    let mut data = Vec::new();
    let mut offsets = Vec::with_capacity(rows + 1);
    offsets.push(0i32);
    let mut valid = vec![true; rows];
    for (i, valid) in valid.iter_mut().enumerate() {
        if nulls.as_ref().is_some_and(|n| n.is_null(i)) {
            *valid = false;
        } else {
            let start = data.len();
            if !f(i, &mut data)? {
                data.truncate(start);
                *valid = false;
            }
        }
        offsets.push(offset(data.len())?);
    }
    let nulls = valid.contains(&false).then(|| NullBuffer::from(valid));
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    Ok(Arc::new(GenericByteArray::<T>::try_new(offsets, Buffer::from_vec(data), nulls)?))
}

fn offset(len: usize) -> Result<i32> {
    i32::try_from(len)
        .map_err(|_| Error::data("a batch holds more than 2 GiB of text in one column"))
}
