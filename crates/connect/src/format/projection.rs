//! Which columns of a record a query reads: nested paths reduced to disjoint
//! slots, and the outputs made from them.

use arrow::array::ArrayRef;
use weir_core::{DataType, Error, Result, Schema};

use super::field_of;

/// One value that a decoder produces per row.
#[derive(Debug, Clone)]
pub struct Slot {
    /// Path in the physical schema.
    pub path: Vec<usize>,
    /// Its type.
    pub ty: DataType,
}

/// Disjoint slots and the wanted columns in terms of them.
#[derive(Debug, Clone)]
pub struct Projection {
    /// No slot's path is a prefix of another's.
    pub slots: Vec<Slot>,
    /// Per wanted column: its slot and the path inside it.
    outputs: Vec<(usize, Vec<usize>)>,
}

impl Projection {
    /// Plans the paths. Without `nested`, slots are top-level columns only.
    pub fn new(physical: &Schema, paths: &[Vec<usize>], nested: bool) -> Result<Self> {
        let mut roots: Vec<Vec<usize>> = Vec::new();
        for path in paths {
            let root = if nested { path.clone() } else { path[..path.len().min(1)].to_vec() };
            if !roots.iter().any(|r| root.starts_with(r)) {
                roots.retain(|r| !r.starts_with(&root));
                roots.push(root);
            }
        }
        roots.sort();
        let slots = roots
            .into_iter()
            .map(|path| Ok(Slot { ty: path_type(physical, &path)?, path }))
            .collect::<Result<Vec<_>>>()?;
        let outputs = paths
            .iter()
            .map(|path| {
                let slot = slots
                    .iter()
                    .position(|s| path.starts_with(&s.path))
                    .ok_or_else(|| Error::internal("a wanted column has no slot"))?;
                Ok((slot, path[slots[slot].path.len()..].to_vec()))
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Self { slots, outputs })
    }

    /// The wanted columns from the slots' arrays.
    pub fn outputs(&self, slots: &[ArrayRef]) -> Result<Vec<ArrayRef>> {
        self.outputs.iter().map(|(slot, rest)| field_of(&slots[*slot], rest)).collect()
    }
}

/// Type of the value at a path.
pub fn path_type(physical: &Schema, path: &[usize]) -> Result<DataType> {
    let bad = || Error::internal(format!("column path {path:?} does not exist"));
    let (first, rest) = path.split_first().ok_or_else(bad)?;
    let mut ty = physical.fields.get(*first).ok_or_else(bad)?.ty.clone();
    for i in rest {
        let nullable = ty.nullable;
        let field = ty.fields().and_then(|f| f.get(*i)).ok_or_else(bad)?.ty.clone();
        ty = if nullable { field.null() } else { field };
    }
    Ok(ty)
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_core::{Field, TypeKind};

    #[test]
    fn a_whole_row_swallows_its_fields() {
        let row = DataType::from(TypeKind::Row(vec![
            Field::new("x", DataType::int()),
            Field::new("y", DataType::string()),
        ]));
        let schema = Schema::new(vec![Field::new("a", DataType::int()), Field::new("r", row)]);
        let paths = [vec![1, 1], vec![0], vec![1], vec![1, 0]];
        let p = Projection::new(&schema, &paths, true).unwrap();
        assert_eq!(p.slots.iter().map(|s| s.path.clone()).collect::<Vec<_>>(), [vec![0], vec![1]]);
        assert_eq!(p.outputs, [(1, vec![1]), (0, vec![]), (1, vec![]), (1, vec![0])]);
        let flat = Projection::new(&schema, &[vec![1, 1]], false).unwrap();
        assert_eq!(flat.slots[0].path, [1]);
        assert!(path_type(&schema, &[7]).is_err());
    }
}
