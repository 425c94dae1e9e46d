//! Keys of state tables back to values: the inverse of `weir_core::keys`.

use weir_core::{DataType, Field, TypeKind, Value};

/// The values of a key's columns and the bytes after them (what the operator adds to its
/// key); none where the bytes are not such a key.
pub fn decode<'a>(fields: &[Field], key: &'a [u8]) -> Option<(Vec<Value>, &'a [u8])> {
    let mut rest = key;
    let values = fields.iter().map(|f| value(&f.ty, &mut rest)).collect::<Option<Vec<_>>>()?;
    Some((values, rest))
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(taken)
}

fn array<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    take(rest, N)?.try_into().ok()
}

fn length(rest: &mut &[u8]) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(array(rest)?)).ok()
}

fn bytes<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = length(rest)?;
    take(rest, length)
}

fn list(element: &DataType, rest: &mut &[u8]) -> Option<Vec<Value>> {
    let length = length(rest)?;
    (0..length).map(|_| value(element, rest)).collect()
}

fn value(ty: &DataType, rest: &mut &[u8]) -> Option<Value> {
    match array::<1>(rest)?[0] {
        0 => return Some(Value::Null),
        1 => {}
        _ => return None,
    }
    Some(match &ty.kind {
        TypeKind::Boolean => Value::Boolean(array::<1>(rest)?[0] != 0),
        TypeKind::TinyInt => Value::Int(i8::from_le_bytes(array(rest)?).into()),
        TypeKind::SmallInt => Value::Int(i16::from_le_bytes(array(rest)?).into()),
        TypeKind::Int => Value::Int(i32::from_le_bytes(array(rest)?).into()),
        TypeKind::BigInt => Value::Int(i64::from_le_bytes(array(rest)?)),
        TypeKind::Float => Value::Float(f32::from_le_bytes(array(rest)?)),
        TypeKind::Double => Value::Double(f64::from_le_bytes(array(rest)?)),
        TypeKind::Decimal(..) => Value::Decimal(i128::from_le_bytes(array(rest)?)),
        TypeKind::Char(_) | TypeKind::Varchar(_) => {
            Value::String(String::from_utf8(bytes(rest)?.to_vec()).ok()?)
        }
        TypeKind::Binary(_) | TypeKind::Varbinary(_) => Value::Bytes(bytes(rest)?.to_vec()),
        TypeKind::Date => Value::Date(i32::from_le_bytes(array(rest)?)),
        TypeKind::Time(_) => Value::Time(i32::from_le_bytes(array(rest)?)),
        TypeKind::Timestamp(..) | TypeKind::TimestampLtz(..) => {
            Value::Timestamp(i64::from_le_bytes(array(rest)?))
        }
        TypeKind::IntervalYearMonth(..) => Value::Months(i32::from_le_bytes(array(rest)?)),
        TypeKind::IntervalDayTime(..) => Value::Millis(i64::from_le_bytes(array(rest)?)),
        TypeKind::Array(element) => Value::Array(list(element, rest)?),
        TypeKind::Map(k, v) => {
            let (keys, values) = (list(k, rest)?, list(v, rest)?);
            Value::Map(keys.into_iter().zip(values).collect())
        }
        TypeKind::Row(fields) => {
            Value::Row(fields.iter().map(|f| value(&f.ty, rest)).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use weir_core::keys::EncodedKeys;
    use weir_core::value::values_to_array;

    use super::*;

    #[test]
    fn what_was_encoded_comes_back() {
        let columns = [
            (DataType::bigint(), Value::Int(-5)),
            (DataType::string(), Value::String("é".into())),
            (DataType::double(), Value::Double(1.5)),
            (DataType::decimal(10, 2), Value::Decimal(12345)),
            (DataType::timestamp(3), Value::Timestamp(1_700_000_000_000)),
            (DataType::boolean(), Value::Null),
            (
                TypeKind::Array(Box::new(DataType::int())).into(),
                Value::Array(vec![Value::Int(1), Value::Null]),
            ),
        ];
        let arrays: Vec<_> = columns
            .iter()
            .map(|(ty, v)| values_to_array(std::slice::from_ref(v), ty).unwrap())
            .collect();
        let keys = EncodedKeys::encode(&arrays, 1).unwrap();
        let fields: Vec<Field> =
            columns.iter().map(|(ty, _)| Field::new("c", ty.clone())).collect();
        let mut key = keys.key(0).to_vec();
        key.extend([7, 8]);
        let (values, rest) = decode(&fields, &key).unwrap();
        assert!(values.iter().eq(columns.iter().map(|(_, v)| v)), "{values:?}");
        assert_eq!(rest, [7, 8]);
        assert!(decode(&fields, &key[..10]).is_none());
        assert!(decode(&fields[..1], &[9]).is_none());
    }
}
