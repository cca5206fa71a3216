//! Whatever is seen, and in whatever order: no sight leaves the operator without a way on.

use super::bench::*;
use crate::camera::Unavailable;
use crate::quality::{Brightness, Density, Quality, RejectReason, Verdict};
use crate::session::guidance::Instruction;
use crate::session::guide::HOLD_STILL_LIMIT;
use crate::session::smear::{FieldStanding, FrameView};
use crate::session::{Event, SmearEvent};
use proptest::prelude::*;
use std::time::Duration;

const GOOD: Quality = Quality {
    background_level: 220,
    brightness: Brightness::Good,
    clipped_permille: 0,
    focus_score: 80,
    coverage_permille: 300,
    rim_permille: 0,
    density: Density::Good,
    verdict: Verdict::Usable,
};

/// What the camera and the analysis may tell of the slide.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Sight {
    Moving,
    /// At rest, and not counted yet.
    Open,
    /// At rest, and taken for the estimate of the scale.
    Taken,
    CountedBefore,
    Counted,
    WithoutCells,
    Unscaled,
    Dark,
    Bright,
    Refused(RejectReason),
    CameraAway,
}

fn sights() -> impl Strategy<Value = Sight> {
    prop_oneof![
        3 => Just(Sight::Moving),
        3 => Just(Sight::Open),
        1 => Just(Sight::Taken),
        1 => Just(Sight::CountedBefore),
        1 => Just(Sight::Counted),
        1 => Just(Sight::WithoutCells),
        1 => Just(Sight::Unscaled),
        1 => Just(Sight::Dark),
        1 => Just(Sight::Bright),
        2 => proptest::sample::select(RejectReason::ALL.to_vec()).prop_map(Sight::Refused),
        1 => Just(Sight::CameraAway),
    ]
}

impl Sight {
    /// What, once obeyed, leads on from here. A field that is being counted leads on by itself.
    fn ways_on(self) -> &'static [Instruction] {
        use Instruction::*;
        match self {
            Sight::Moving => &[LetSlideRest],
            Sight::Open => &[WaitForCount],
            // After an estimate that has failed, fields elsewhere may do.
            Sight::Taken => &[NextField],
            Sight::Unscaled => &[SetScale],
            Sight::Counted => &[NextField, SetScale],
            Sight::CountedBefore => &[CountedBefore],
            Sight::WithoutCells => &[LeaveEmptyField],
            Sight::Dark => &[IncreaseIllumination],
            Sight::Bright => &[ReduceIllumination],
            Sight::CameraAway => &[CheckCamera],
            Sight::Refused(reason) => match reason {
                RejectReason::RimCoversField => &[CentreField],
                RejectReason::Underexposed => &[IncreaseIllumination],
                RejectReason::Overexposed => &[ReduceIllumination],
                RejectReason::NoContrast => &[FindCells],
                RejectReason::Blurred => &[Focus],
                RejectReason::MovedDuringExposure => &[KeepStill],
                RejectReason::PartlyBlurred => &[LevelSlide],
                RejectReason::LowContrast => &[RaiseContrast],
                RejectReason::ColoursExchanged => &[CheckCameraFormat],
                RejectReason::NotASmear => &[CheckStain],
                RejectReason::TooThick => &[FindThinnerArea],
            },
        }
    }

    /// What the machine is told; `field` is a number that no other rest has.
    fn events(self, field: u64) -> Vec<Event> {
        let view = |quality| {
            Box::new(FrameView {
                field: Some(field),
                quality,
                ..FrameView::default()
            })
        };
        let standing = |standing| {
            SmearEvent::Preview(Box::new(FrameView {
                standing,
                ..*view(GOOD)
            }))
        };
        let lit = |brightness| SmearEvent::Preview(view(Quality { brightness, ..GOOD }));
        let of_smear = match self {
            Sight::Moving => vec![SmearEvent::Preview(Box::new(FrameView {
                field: None,
                ..*view(GOOD)
            }))],
            Sight::Open => vec![standing(FieldStanding::Open)],
            Sight::Taken => vec![
                SmearEvent::TakenForScale { taken: 1, of: 10 },
                standing(FieldStanding::Taken),
            ],
            Sight::CountedBefore => vec![standing(FieldStanding::CountedBefore)],
            Sight::Counted => vec![with_view(counted(5), &view(GOOD))],
            Sight::WithoutCells => vec![SmearEvent::NoCells(Box::new(FrameView {
                is_analysed: true,
                ..*view(GOOD)
            }))],
            Sight::Unscaled => vec![SmearEvent::Unscaled(view(GOOD))],
            Sight::Dark => vec![lit(Brightness::Dark)],
            Sight::Bright => vec![lit(Brightness::Bright)],
            Sight::Refused(reason) => vec![SmearEvent::Preview(view(Quality {
                verdict: Verdict::Rejected(reason),
                ..GOOD
            }))],
            Sight::CameraAway => {
                return vec![Event::CameraUnavailable(Unavailable::NotConnected)];
            }
        };
        let of_smear = of_smear
            .into_iter()
            .map(|event| Event::OfSmear { smear: 0, event });
        std::iter::once(Event::CameraBack).chain(of_smear).collect()
    }
}

/// A counted field with a view of this number and quality.
fn with_view(event: SmearEvent, shown: &FrameView) -> SmearEvent {
    match event {
        SmearEvent::Counted { view, tally, truth } => SmearEvent::Counted {
            view: Box::new(FrameView {
                field: shown.field,
                quality: shown.quality,
                ..*view
            }),
            tally,
            truth,
        },
        other => other,
    }
}

proptest! {
    #[test]
    fn two_seconds_after_any_sight_there_is_a_way_on(
        seen in prop::collection::vec((sights(), 0..4000u64), 1..14),
    ) {
        let mut bench = Bench::open(None);
        let mut held_since = None;
        for (field, (sight, shown_ms)) in (0..).zip(&seen) {
            for event in sight.events(field) {
                bench.step(event);
            }
            for _ in 0..=shown_ms / 100 {
                bench.wait_ms(0);
                let holds = bench.machine.instruction() == Instruction::HoldStill;
                let since = *held_since.get_or_insert(bench.now);
                held_since = Some(since).filter(|_| holds);
                let held = bench.now.saturating_duration_since(since);
                prop_assert!(held <= HOLD_STILL_LIMIT + Duration::from_millis(100), "{held:?}");
            }
        }
        bench.wait_ms(HOLD_STILL_LIMIT.as_millis() as u64);
        let told = bench.machine.instruction();
        let last = seen[seen.len() - 1].0;
        prop_assert!(last.ways_on().contains(&told), "{last:?}: {told:?}");
    }
}
