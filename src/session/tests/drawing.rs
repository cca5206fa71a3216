//! `docs/instrument.md` is drawn from the machine itself: each phase meets each event.

use super::bench::*;
use crate::input::Action;
use crate::session::machine::FAULT_HOLD;
use crate::session::phase::{ButtonRole, button_role};
use crate::session::{Event, Phase};
use crate::update::UpdateState;
use std::path::Path;

const PAGE: &str = "docs/instrument.md";
const BEGIN: &str = "<!-- drawn by `cargo test session`; HEMOSCOPE_BLESS=1 writes it anew -->\n";
const END: &str = "<!-- end of what is drawn -->\n";
/// As in `make bless`.
const BLESS: &str = "HEMOSCOPE_BLESS";

type Happening = (&'static str, fn(&mut Bench));

/// What can happen, but for the buttons.
const HAPPENINGS: [Happening; 9] = [
    ("camera and network opened", |bench| {
        bench.step(Event::Opened(crate::session::KnownScale::Unknown));
    }),
    ("a field is counted", |bench| {
        bench.count(7);
    }),
    ("the source ends", |bench| {
        bench.step(Event::SourceEnded);
    }),
    ("a fault", |bench| {
        bench.step(Event::Failed);
    }),
    ("update under way", |bench| {
        bench.say(copying(9));
    }),
    ("update offered, 5 s later", |bench| {
        bench.say(offered(true));
        bench.wait_ms(5000);
    }),
    ("update refused, 5 s later", |bench| {
        bench.say(refused());
        bench.wait_ms(5000);
    }),
    ("no update any more", |bench| {
        bench.say(UpdateState::Idle);
    }),
    ("a minute passes", |bench| {
        bench.wait_ms(FAULT_HOLD.as_millis() as u64 + 2000);
    }),
];

const BUTTONS: [(&str, Action); 5] = [
    ("first, short", Action::Confirm),
    ("second", Action::StepBrightness),
    ("third", Action::Cancel),
    ("first, held 3 s", Action::ShutDown),
    ("system, Ctrl-C", Action::Stop),
];

fn shows(phase: Phase) -> &'static str {
    match phase {
        Phase::Starting => "that the device starts, and its version",
        Phase::Empty => "the live image and what to do; no figures yet",
        Phase::Counting => "the live image, figures, and what to do",
        Phase::FinishQuestion => "the same, and whether to end the smear",
        Phase::Result => "the figures of the finished smear",
        Phase::UpdateProgress => "how far an update has come",
        Phase::UpdateQuestion => "a question about an update, and what each button answers",
        Phase::UpdateNews => "how an update ended, or why it was refused",
        Phase::UpdateAnswered => "that the answer is on its way",
        Phase::Fault => "what happened, to what, and what to do",
        Phase::Ended => "the last screen; the program ends",
        Phase::SwitchedOff => "the last screen; the device switches off",
    }
}

fn says(role: ButtonRole) -> &'static str {
    match role {
        ButtonRole::None => "-",
        ButtonRole::AskToFinish => "finish the smear, once asked",
        ButtonRole::FinishSmear => "finish the smear",
        ButtonRole::GoOn => "go on counting",
        ButtonRole::ForceField => "count a refused field, else screen brightness",
        ButtonRole::UndoField => "undo the last field",
        ButtonRole::StartSmear => "start the next smear",
        ButtonRole::StepBrightness => "screen brightness",
        ButtonRole::AcceptUpdate => "yes",
        ButtonRole::DismissUpdate => "no, or seen",
        ButtonRole::AcknowledgeFault => "seen",
        ButtonRole::EndOnDesk => "end (on a desk only)",
        ButtonRole::End => "end",
        ButtonRole::SwitchOff => "switch off",
    }
}

fn table(heads: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut text = format!("| phase | {} |\n", heads.join(" | "));
    text.push_str(&format!("|---|{}\n", "---|".repeat(heads.len())));
    for row in rows {
        text.push_str(&format!("| {} |\n", row.join(" | ")));
    }
    text
}

/// Where a phase goes when something happens; `-` where it stays.
fn next(phase: Phase, happens: impl Fn(&mut Bench)) -> String {
    let mut bench = Bench::in_phase(phase);
    happens(&mut bench);
    let next = bench.phase();
    if next == phase {
        "-".to_owned()
    } else {
        format!("{next:?}")
    }
}

fn drawn() -> String {
    let row = |phase: &Phase, cells: Vec<String>| {
        let mut row = vec![format!("**{phase:?}**")];
        row.extend(cells);
        row
    };
    let phases = Phase::ALL.iter();
    let mut text = String::from("### What the screen shows\n\n");
    text += &table(
        &["the screen shows"],
        phases
            .clone()
            .map(|phase| row(phase, vec![shows(*phase).to_owned()])),
    );
    text += "\n### What each button means\n\n";
    text += &table(
        &BUTTONS.map(|(name, _)| name),
        phases.clone().map(|phase| {
            let role = |(_, action)| says(button_role(*phase, action)).to_owned();
            row(phase, BUTTONS.map(role).to_vec())
        }),
    );
    text += "\n### Where each button leads\n\n";
    text += &table(
        &BUTTONS.map(|(name, _)| name),
        phases.clone().map(|phase| {
            let lead = |(_, action)| {
                next(*phase, |bench| {
                    bench.press(action);
                    bench.step(Event::Tick);
                })
            };
            row(phase, BUTTONS.map(lead).to_vec())
        }),
    );
    text += "\n### Where everything else leads\n\n";
    text += &table(
        &HAPPENINGS.map(|(name, _)| name),
        phases.map(|phase| {
            let lead = |(_, happens): Happening| next(*phase, happens);
            row(phase, HAPPENINGS.map(lead).to_vec())
        }),
    );
    text
}

#[test]
fn the_page_on_the_instrument_shows_what_the_machine_does() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let page = std::fs::read_to_string(&path).expect(PAGE);
    let (before, rest) = page.split_once(BEGIN).expect("the mark before the tables");
    let (found, after) = rest.split_once(END).expect("the mark behind the tables");
    let drawn = format!("\n{}\n", drawn());
    if std::env::var_os(BLESS).is_some() {
        std::fs::write(&path, [before, BEGIN, &drawn, END, after].concat()).unwrap();
    } else {
        assert_eq!(
            found, drawn,
            "{PAGE} is not what the machine does; run make bless"
        );
    }
}
