//! Keys pressed and released to actions.

use super::Action;
use std::time::{Duration, Instant};

/// Held for so long, the first button switches the device off.
pub const LONG_PRESS: Duration = Duration::from_secs(3);

/// A key, or a finger on a touch screen, that went down or up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyEvent {
    /// As in Linux's `input-event-codes.h`.
    pub code: u16,
    /// Whether it went down; `false` when it was let go.
    pub is_pressed: bool,
}

/// Linux's code of a finger on a touch screen (`BTN_TOUCH`).
pub(super) const TOUCH: u16 = 0x14a;
/// Linux's codes of the first button: `KEY_1`, `KEY_ENTER`, `KEY_KPENTER`, `BTN_0`.
pub(super) const FIRST_BUTTON: [u16; 4] = [2, 28, 96, 0x100];
/// Linux's codes of the second button: `KEY_2`, `KEY_SPACE`, `BTN_1`.
pub(super) const SECOND_BUTTON: [u16; 3] = [3, 57, 0x101];
/// Linux's codes of the third button: `KEY_ESC`, `KEY_Q`.
const THIRD_BUTTON: [u16; 2] = [1, 16];

/// What a key does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ButtonKey {
    First,
    Second,
    Third,
    Touch,
}

impl ButtonKey {
    fn of(code: u16) -> Option<Self> {
        match code {
            TOUCH => Some(ButtonKey::Touch),
            _ if FIRST_BUTTON.contains(&code) => Some(ButtonKey::First),
            _ if SECOND_BUTTON.contains(&code) => Some(ButtonKey::Second),
            _ if THIRD_BUTTON.contains(&code) => Some(ButtonKey::Third),
            _ => None,
        }
    }
}

/// The buttons of one input device. The first button acts when it is let go, or when it has been
/// held long; the others act when they are pressed. A tap does what the first button does; a hand
/// that rests on a touch screen does nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Buttons {
    held: Option<Held>,
}

/// A key that acts when it is let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    code: u16,
    since: Instant,
    has_acted: bool,
}

impl Buttons {
    /// Takes in a key that went down or up at a moment.
    pub fn take(&mut self, event: KeyEvent, now: Instant) -> Option<Action> {
        let key = ButtonKey::of(event.code)?;
        match (key, event.is_pressed) {
            (ButtonKey::Second, true) => Some(Action::StepBrightness),
            (ButtonKey::Third, true) => Some(Action::Cancel),
            (ButtonKey::Second | ButtonKey::Third, false) => None,
            (ButtonKey::First | ButtonKey::Touch, true) => {
                self.held.get_or_insert(Held {
                    code: event.code,
                    since: now,
                    has_acted: false,
                });
                None
            }
            (ButtonKey::First | ButtonKey::Touch, false) => {
                let held = self.held.take_if(|held| held.code == event.code)?;
                let is_long = now.saturating_duration_since(held.since) >= LONG_PRESS;
                match key {
                    _ if held.has_acted => None,
                    ButtonKey::First if is_long => Some(Action::ShutDown),
                    _ if is_long => None,
                    _ => Some(Action::Confirm),
                }
            }
        }
    }

    /// What a button that is still held does by now.
    pub fn wait(&mut self, now: Instant) -> Option<Action> {
        let held = self.held.as_mut()?;
        let is_long = now.saturating_duration_since(held.since) >= LONG_PRESS;
        if !is_long || held.has_acted || held.code == TOUCH {
            return None;
        }
        held.has_acted = true;
        Some(Action::ShutDown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Action::{Cancel, Confirm, ShutDown, StepBrightness};

    const ENTER: u16 = 28;
    const DOWN: bool = true;
    const UP: bool = false;

    /// A key at a time in milliseconds; without a key, only time passes.
    type Step = (u64, Option<(u16, bool)>);

    fn actions(steps: &[Step]) -> Vec<Action> {
        let start = Instant::now();
        let mut buttons = Buttons::default();
        let mut actions = Vec::new();
        for (at_ms, key) in steps {
            let now = start + Duration::from_millis(*at_ms);
            let taken = key.and_then(|(code, is_pressed)| {
                let event = KeyEvent { code, is_pressed };
                buttons.take(event, now)
            });
            actions.extend(taken);
            actions.extend(buttons.wait(now));
        }
        actions
    }

    #[test]
    fn presses_become_actions() {
        let down = |code| Some((code, DOWN));
        let up = |code| Some((code, UP));
        let cases: &[(&str, &[Step], &[Action])] = &[
            ("short", &[(0, down(ENTER)), (90, up(ENTER))], &[Confirm]),
            ("held", &[(0, down(ENTER)), (2999, None)], &[]),
            (
                "just short",
                &[(0, down(ENTER)), (2999, up(ENTER))],
                &[Confirm],
            ),
            (
                "long, once",
                &[
                    (0, down(ENTER)),
                    (3000, None),
                    (3100, None),
                    (4000, up(ENTER)),
                ],
                &[ShutDown],
            ),
            (
                "long, seen late",
                &[(0, down(ENTER)), (9000, up(ENTER))],
                &[ShutDown],
            ),
            (
                "short after long",
                &[
                    (0, down(ENTER)),
                    (3000, up(ENTER)),
                    (4000, down(ENTER)),
                    (4100, up(ENTER)),
                ],
                &[ShutDown, Confirm],
            ),
            (
                "two first buttons at once are one press",
                &[
                    (0, down(ENTER)),
                    (10, down(0x100)),
                    (20, up(0x100)),
                    (30, up(ENTER)),
                ],
                &[Confirm],
            ),
            ("let go without a press", &[(0, up(ENTER))], &[]),
            (
                "other first buttons",
                &[(0, down(2)), (5, up(2))],
                &[Confirm],
            ),
            ("second", &[(0, down(57)), (5, up(57))], &[StepBrightness]),
            (
                "second held",
                &[(0, down(0x101)), (9000, None)],
                &[StepBrightness],
            ),
            ("third", &[(0, down(1)), (5, up(1))], &[Cancel]),
            ("q", &[(0, down(16))], &[Cancel]),
            ("tap", &[(0, down(TOUCH)), (80, up(TOUCH))], &[Confirm]),
            (
                "resting hand",
                &[(0, down(TOUCH)), (3000, None), (9000, up(TOUCH))],
                &[],
            ),
            (
                "no button",
                &[(0, down(30)), (5, up(30)), (9000, None)],
                &[],
            ),
        ];
        for (name, steps, expected) in cases {
            assert_eq!(&actions(steps), expected, "{name}");
        }
    }
}
