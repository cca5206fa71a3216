//! The thread that owns the network.

use crate::device::thermal::ThreadPolicy;
use crate::runtime::channels::{FieldFrame, ReturnedFrame, Shared, ToAnalysis};
use crate::runtime::field_analysis::FieldAnalysis;
use crate::service::Beat;
use crate::session::Event;
use anyhow::Result;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

/// Time after which an analysis without work shows that it is alive.
const IDLE: Duration = Duration::from_millis(250);

/// Analysis' ends of the channels.
pub struct AnalysisEnds {
    pub frames: Receiver<ToAnalysis>,
    pub returned: SyncSender<ReturnedFrame>,
    pub events: SyncSender<Event>,
}

/// Owns the network; ends when the camera has, or when nobody takes its results.
///
/// # Errors
/// A network that cannot run.
pub fn analyse(
    mut analysis: FieldAnalysis,
    mut threads: ThreadPolicy,
    shared: &Shared,
    ends: &AnalysisEnds,
) -> Result<()> {
    let mut smear = 0;
    loop {
        shared.heartbeats.beat(Beat::Analysis);
        if shared.is_stopped() {
            return Ok(());
        }
        let frame = match ends.frames.recv_timeout(IDLE) {
            Ok(ToAnalysis::Frame(frame)) => frame,
            Ok(ToAnalysis::Ended(not_sent)) => {
                analysis.finish(not_sent, &shared.views)?;
                if tell(&mut analysis, smear, ends) {
                    // Nobody takes it where the run is over.
                    let _ = ends.events.send(Event::SourceEnded);
                }
                return Ok(());
            }
            Err(RecvTimeoutError::Timeout) => continue,
            // The camera has failed, and says so itself.
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
        if let Some(threads) = threads.poll(Instant::now()) {
            analysis.set_threads(threads);
        }
        if frame.smear != smear {
            smear = frame.smear;
            analysis.start_next_smear(&shared.views);
        }
        let analysed = analysis.take(&frame, &shared.views);
        // Nobody is left to capture into it when the camera has ended.
        let _ = ends.returned.send(returned(frame, &analysis));
        analysed?;
        if !tell(&mut analysis, smear, ends) {
            return Ok(());
        }
    }
}

fn returned(frame: FieldFrame, analysis: &FieldAnalysis) -> ReturnedFrame {
    ReturnedFrame {
        is_settled: analysis.is_settled(frame.field),
        is_analysed: analysis.has_analysed(frame.field),
        rbc_diameter_px: analysis.rbc_diameter_px(),
        field: frame.field,
        captured: frame.captured,
    }
}

/// Tells what came of the frames taken; `false` where nobody is there.
fn tell(analysis: &mut FieldAnalysis, smear: u32, ends: &AnalysisEnds) -> bool {
    analysis
        .events()
        .map(|event| Event::OfSmear { smear, event })
        .all(|event| ends.events.send(event).is_ok())
}
