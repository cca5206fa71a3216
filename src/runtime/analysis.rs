//! The thread that owns the network.

use crate::camera::CapturedFrame;
use crate::device::thermal::ThreadPolicy;
use crate::runtime::channels::{FieldFrame, Shared, SmearEvent};
use crate::runtime::field_analysis::FieldAnalysis;
use crate::service::Beat;
use crate::session::smear::Event;
use anyhow::Result;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

/// Time after which an analysis without work shows that it is alive.
const IDLE: Duration = Duration::from_millis(250);

/// Owns the network; ends when the camera has, or when nobody takes its results.
pub(super) fn analyse(
    mut analysis: FieldAnalysis,
    mut threads: ThreadPolicy,
    shared: &Shared,
    frames: &Receiver<FieldFrame>,
    idle: &SyncSender<Box<CapturedFrame>>,
    results: &SyncSender<SmearEvent>,
) -> Result<()> {
    let mut smear = 0;
    loop {
        shared.heartbeats.beat(Beat::Analysis);
        if shared.is_stopped() {
            return Ok(());
        }
        let frame = match frames.recv_timeout(IDLE) {
            Ok(frame) => frame,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        if let Some(threads) = threads.poll(Instant::now()) {
            analysis.set_threads(threads);
        }
        if frame.smear != smear {
            smear = frame.smear;
            analysis.start_next_smear(shared);
        }
        let analysed = analysis.take(&frame, shared);
        shared.frame_done();
        // Nobody is left to capture into it when the camera has ended.
        let _ = idle.send(frame.captured);
        analysed?;
        let mut events = analysis.events().map(|event| SmearEvent { smear, event });
        if !events.all(|event| results.send(event).is_ok()) {
            return Ok(());
        }
    }
    analysis.finish(shared)?;
    let last = analysis.events().chain([Event::SourceEnded]);
    for event in last {
        if results.send(SmearEvent { smear, event }).is_err() {
            break;
        }
    }
    Ok(())
}
