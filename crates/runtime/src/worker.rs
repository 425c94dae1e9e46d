//! A worker thread: gives its pipelines their turns, sleeps when none can run.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Receiver;
use weir_core::Result;

use crate::channel::Wake;
use crate::message::{Barrier, Control};
use crate::operator::TaskContext;
use crate::panics;
use crate::pipeline::{Pipeline, Turn};
use crate::shared::JobShared;

/// Upper bound of one sleep: cancellation and lost races cost at most this.
const LONGEST_SLEEP: Duration = Duration::from_millis(100);

/// One worker of a job.
pub(crate) struct Worker {
    pub context: TaskContext,
    pub pipelines: Vec<Pipeline>,
    pub wake: Arc<Wake>,
    pub control: Receiver<Control>,
    pub shared: Arc<JobShared>,
}

impl Worker {
    /// Runs until everything has ended, the job fails or is cancelled.
    pub fn run(mut self) {
        self.wake.register();
        let mut turn = 0;
        let result = panics::catch(|| self.main(&mut turn));
        if let Err(e) = result {
            let node = self.pipelines.get(turn).map(|p| p.stages[p.current].name.clone());
            let place = format!("worker {} ({})", self.context.subtask, node.unwrap_or_default());
            self.shared.fail(e.context(place));
        }
        self.shared.worker_ended();
    }

    fn main(&mut self, turn: &mut usize) -> Result<()> {
        for (i, p) in self.pipelines.iter_mut().enumerate() {
            *turn = i;
            for (s, stage) in p.stages.iter_mut().enumerate() {
                p.current = s;
                if let Some(op) = &mut stage.operator {
                    op.open(&self.context)?;
                    if let Some(sink) = p.reporter.ahead(stage.node) {
                        op.seal_ahead(&sink);
                    }
                }
            }
        }
        let mut announced = false;
        let mut triggered: Option<Barrier> = None;
        loop {
            if self.shared.is_stopped() {
                return Ok(());
            }
            while let Ok(control) = self.control.try_recv() {
                match control {
                    Control::Barrier(barrier) => {
                        triggered = Some(barrier);
                        self.pipelines.iter_mut().for_each(|p| p.request_barrier(barrier));
                    }
                    Control::Completed => {
                        for (i, p) in self.pipelines.iter_mut().enumerate() {
                            *turn = i;
                            p.completed()?;
                        }
                    }
                }
            }
            let mut progressed = false;
            let mut finished = true;
            let mut sleep = LONGEST_SLEEP;
            for (i, p) in self.pipelines.iter_mut().enumerate() {
                *turn = i;
                match p.run()? {
                    Turn::Progress => progressed = true,
                    Turn::Idle(Some(wait)) => sleep = sleep.min(wait),
                    Turn::Blocked | Turn::Idle(None) => {}
                    Turn::Finished => {
                        if let Some(b) = triggered {
                            p.answer_finished(b);
                        }
                        continue;
                    }
                }
                finished = false;
            }
            if finished {
                return Ok(());
            }
            if progressed {
                if std::mem::take(&mut announced) {
                    self.wake.announce_sleep(false);
                }
            } else if !announced {
                // Look once more after announcing, so that no wake-up is lost.
                announced = true;
                self.wake.announce_sleep(true);
            } else {
                std::thread::park_timeout(sleep);
                announced = false;
                self.wake.announce_sleep(false);
            }
        }
    }
}
