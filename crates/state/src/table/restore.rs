//! From sealed runs back to a table.

use std::io::Read;

use weir_core::keys::hash_key;
use weir_core::{Error, Result};

use super::{COLD, FRESH, KeyedTable, SlotStore};
use crate::run::{NO_STAMP, RunReader, SealedTable};

impl<S: SlotStore> KeyedTable<S> {
    /// Adds the runs of a sealed table whose key groups `owned` accepts. Runs of a chain
    /// are to be given oldest first.
    pub fn restore(&mut self, sealed: &SealedTable, owned: impl Fn(u32) -> bool) -> Result<()> {
        self.restore_with(sealed, owned, |_, _, _, _| Ok(()))
    }

    /// Like [`KeyedTable::restore`]; `each` sees every slot as each run of the chain leaves
    /// it, with its key, before it may leave memory, and calls back for its timers.
    pub fn restore_with(
        &mut self,
        sealed: &SealedTable,
        owned: impl Fn(u32) -> bool,
        mut each: impl FnMut(&mut S, usize, &[u8], &mut dyn FnMut(i64)) -> Result<()>,
    ) -> Result<()> {
        if sealed.name != self.spec.name {
            return Ok(());
        }
        if sealed.version != self.spec.version {
            return Err(Error::data(format!(
                "state table '{}' was written in version {}, this build reads version {}",
                sealed.name, sealed.version, self.spec.version
            )));
        }
        for group in sealed.groups.iter().filter(|g| owned(g.key_group)) {
            self.restore_run(RunReader::new(group.run.open()?)?, &mut each)?;
            if self.spec.spills {
                self.relieve()?;
            }
        }
        Ok(())
    }

    fn restore_run<R: Read>(
        &mut self,
        mut run: RunReader<R>,
        each: &mut impl FnMut(&mut S, usize, &[u8], &mut dyn FnMut(i64)) -> Result<()>,
    ) -> Result<()> {
        while run.next_key()? {
            let cleared = run.cleared();
            let mut more = run.advance()?;
            let (slot, created) = self.index.get_or_insert(hash_key(run.key()), run.key());
            if created {
                self.store.resize(self.index.slots());
                self.recall(&[slot])?;
            } else if cleared {
                self.store.clear(slot as usize);
            }
            self.revive(slot);
            if self.spec.ttl > 0 {
                self.stamps.resize(self.index.slots(), NO_STAMP);
            }
            if !more && (cleared || (created && self.index.flags(slot) & COLD == 0)) {
                self.remove(slot);
                continue;
            }
            if cleared && created {
                self.store.clear(slot as usize);
            }
            *self.index.flags_mut(slot) &= !FRESH;
            while more {
                let entry = run.entry();
                if self.spec.ttl > 0 && entry.value.is_some() {
                    self.stamps[slot as usize] = entry.stamp;
                }
                self.store.apply(slot as usize, &entry)?;
                more = run.advance()?;
            }
            self.store.sealed(slot as usize);
            let timers = &mut self.timers;
            each(&mut self.store, slot as usize, run.key(), &mut |at| timers.set(at, slot))?;
        }
        Ok(())
    }
}
