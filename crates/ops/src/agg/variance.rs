//! The variances and standard deviations of groups and windows: Welford's method over doubles,
//! whatever the argument's type, as Flink computes them. OVER windows take sums of squares
//! instead (`numeric`).

use arrow::array::ArrayRef;
use weir_core::{DataType, Result};
use weir_state::Reader;
use weir_state::bytes::put_i64;

use super::Accumulator;
use super::fold::*;

#[derive(Clone, Copy, Default)]
struct Moments {
    count: i64,
    mean: f64,
    /// The sum of the squared distances from the mean.
    squares: f64,
}

impl Moments {
    fn add(&mut self, x: f64) {
        self.count += 1;
        let distance = x - self.mean;
        self.mean += distance / self.count as f64;
        self.squares += distance * (x - self.mean);
    }

    fn remove(&mut self, x: f64) {
        self.count -= 1;
        if self.count == 0 {
            *self = Self::default();
            return;
        }
        let distance = x - self.mean;
        self.mean -= distance / self.count as f64;
        self.squares -= distance * (x - self.mean);
    }

    fn merge(&mut self, other: Self) {
        let count = self.count + other.count;
        if count == 0 || other.count == 0 {
            return;
        }
        let distance = other.mean - self.mean;
        let (n, m) = (self.count as f64, other.count as f64);
        self.mean += distance * m / count as f64;
        self.squares += other.squares + distance * distance * n * m / count as f64;
        self.count = count;
    }
}

/// VAR_POP, VAR_SAMP, STDDEV_POP and STDDEV_SAMP.
pub struct Variance {
    slots: Vec<Moments>,
    sample: bool,
    root: bool,
    ty: DataType,
}

impl Variance {
    pub fn new(name: &str, ty: &DataType) -> Self {
        Self {
            slots: Vec::new(),
            sample: !name.ends_with("_POP"),
            root: name.starts_with("STDDEV"),
            ty: ty.clone(),
        }
    }
}

impl Accumulator for Variance {
    fn resize(&mut self, slots: usize) {
        self.slots.resize(slots, Moments::default());
    }
    fn clear(&mut self, slot: usize) {
        self.slots[slot] = Moments::default();
    }
    fn update(&mut self, rows: &Rows<'_>, args: &[ArrayRef]) -> Result<()> {
        let slots = &mut self.slots;
        each_float(&args[0], rows, |s, op, x| {
            if op & MINUS == 0 { slots[s].add(x) } else { slots[s].remove(x) }
        })
    }
    fn finish(&self, slots: &[u32]) -> Result<ArrayRef> {
        let (mut values, mut valid) = (Vec::new(), Vec::new());
        for &s in slots {
            let m = self.slots[s as usize];
            let n = m.count - i64::from(self.sample);
            let variance = m.squares / n as f64;
            values.push(if self.root { variance.sqrt() } else { variance });
            valid.push(n > 0);
        }
        floats_to_array(values, valid, &self.ty)
    }
    fn write(&self, slot: usize, out: &mut Vec<u8>) {
        let m = self.slots[slot];
        put_i64(out, m.count);
        out.extend_from_slice(&m.mean.to_le_bytes());
        out.extend_from_slice(&m.squares.to_le_bytes());
    }
    fn merge(&mut self, slot: usize, input: &mut Reader<'_>) -> Result<()> {
        let (count, mean, squares) = (input.i64()?, input.f64()?, input.f64()?);
        self.slots[slot].merge(Moments { count, mean, squares });
        Ok(())
    }
}
