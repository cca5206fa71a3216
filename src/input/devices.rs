//! The kernel's input devices (evdev), read by a thread of their own. A device may be unplugged
//! and plugged in again.

use super::buttons::{Buttons, FIRST_BUTTON, KeyEvent, TOUCH};
use super::{Action, InputSettings};
use evdev::{AbsoluteAxisCode, Device, EventSummary, KeyCode};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Where the kernel puts its input devices.
const INPUT_FOLDER: &str = "/dev/input";
/// Time between two looks at the devices.
const POLL_INTERVAL: Duration = Duration::from_millis(40);
/// Time between two searches for devices that are missing.
const SEARCH_INTERVAL: Duration = Duration::from_secs(1);
/// Actions that may wait; what is asked for beyond them is dropped.
const ACTIONS_WAITING: usize = 16;

/// Listens to input devices while it lives.
pub struct InputDevices {
    actions: Receiver<Action>,
    /// The thread ends when this is dropped.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl InputDevices {
    /// Starts to listen. Devices that are missing are searched for once a second.
    pub fn start(settings: InputSettings) -> Self {
        let (actions_in, actions) = sync_channel(ACTIONS_WAITING);
        let (stop, stopped) = channel();
        let reader = Reader::new(settings, KernelInput);
        let thread = thread::spawn(move || listen(reader, &actions_in, &stopped));
        Self {
            actions,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// The next action that was asked for, without waiting.
    pub fn next_action(&self) -> Option<Action> {
        self.actions.try_recv().ok()
    }
}

impl Drop for InputDevices {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A thread that failed has nothing left to end.
            let _ = thread.join();
        }
    }
}

fn listen(mut reader: Reader<KernelInput>, actions: &SyncSender<Action>, stopped: &Receiver<()>) {
    loop {
        reader.poll(Instant::now(), &mut |action| {
            // Nobody acts any more when so many wait.
            let _ = actions.try_send(action);
        });
        for news in reader.news.drain(..) {
            log::info!("{news}");
        }
        if stopped.recv_timeout(POLL_INTERVAL) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}

/// What an input device says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Description {
    name: String,
    /// Whether it has a key for the first button.
    is_keyboard: bool,
}

/// Where input devices are found.
trait InputKernel {
    type Device: InputDevice;

    /// The devices there are.
    fn list(&mut self) -> Vec<PathBuf>;

    /// # Errors
    /// It has gone, or may not be read.
    fn open(&mut self, path: &Path) -> io::Result<Self::Device>;
}

/// An open input device.
trait InputDevice {
    fn describe(&self) -> Description;

    /// Hands out what has happened, without waiting.
    ///
    /// # Errors
    /// It has gone.
    fn read(&mut self, take: &mut dyn FnMut(KeyEvent)) -> io::Result<()>;
}

/// Devices that are listened to, and those that are looked for.
struct Reader<K: InputKernel> {
    settings: InputSettings,
    kernel: K,
    open: Vec<OpenDevice<K::Device>>,
    /// Devices that are there and not wanted.
    unwanted: Vec<PathBuf>,
    /// None before the first search.
    next_search: Option<Instant>,
    was_missing_told: bool,
    /// For the log.
    news: Vec<String>,
}

struct OpenDevice<D> {
    path: PathBuf,
    name: String,
    device: D,
    buttons: Buttons,
}

impl<K: InputKernel> Reader<K> {
    fn new(settings: InputSettings, kernel: K) -> Self {
        Self {
            settings,
            kernel,
            open: Vec::new(),
            unwanted: Vec::new(),
            next_search: None,
            was_missing_told: false,
            news: Vec::new(),
        }
    }

    /// Reads every device, and searches for missing ones when it is time to.
    fn poll(&mut self, now: Instant, act: &mut dyn FnMut(Action)) {
        if self
            .next_search
            .is_none_or(|next_search| now >= next_search)
        {
            self.next_search = Some(now + SEARCH_INTERVAL);
            self.search();
        }
        let news = &mut self.news;
        self.open.retain_mut(|open| {
            let buttons = &mut open.buttons;
            let read = open.device.read(&mut |event| {
                if let Some(action) = buttons.take(event, now) {
                    act(action);
                }
            });
            if let Err(error) = read {
                let OpenDevice { path, name, .. } = open;
                news.push(format!(
                    "input {name:?} at {} has gone ({error}); it is taken again when it is back",
                    path.display()
                ));
                return false;
            }
            if let Some(action) = buttons.wait(now) {
                act(action);
            }
            true
        });
    }

    fn search(&mut self) {
        let listed = self.kernel.list();
        self.unwanted.retain(|path| listed.contains(path));
        for path in listed {
            let is_open = self.open.iter().any(|open| open.path == path);
            if is_open || self.unwanted.contains(&path) {
                continue;
            }
            // One that may not be read yet is asked again.
            let Ok(device) = self.kernel.open(&path) else {
                continue;
            };
            let description = device.describe();
            if !is_wanted(&self.settings, &description) {
                self.unwanted.push(path);
                continue;
            }
            let name = description.name;
            self.news
                .push(format!("input {name:?} at {}", path.display()));
            self.open.push(OpenDevice {
                path,
                name,
                device,
                buttons: Buttons::default(),
            });
        }
        if self.open.is_empty() && !self.was_missing_told {
            self.news.push(missing(&self.settings));
        }
        self.was_missing_told = self.open.is_empty();
    }
}

fn is_wanted(settings: &InputSettings, description: &Description) -> bool {
    let is_touch = !settings.touch.is_empty() && settings.touch == description.name;
    let is_button = match settings.buttons.as_slice() {
        [] => description.is_keyboard,
        named => named.contains(&description.name),
    };
    is_touch || is_button
}

fn missing(settings: &InputSettings) -> String {
    let wanted = match settings.buttons.as_slice() {
        [] => "keyboard".to_owned(),
        named => format!("input named {}", named.join(" or ")),
    };
    format!(
        "there is no {wanted}; it is taken when it appears (see /proc/bus/input/devices; reading \
         it needs root or the group input)"
    )
}

/// `/dev/input`.
#[derive(Debug)]
struct KernelInput;

impl InputKernel for KernelInput {
    type Device = Device;

    fn list(&mut self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(INPUT_FOLDER).into_iter().flatten();
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let mut paths: Vec<PathBuf> = paths
            .filter(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                name.starts_with("event")
            })
            .collect();
        paths.sort();
        paths
    }

    fn open(&mut self, path: &Path) -> io::Result<Device> {
        let device = Device::open(path)?;
        device.set_nonblocking(true)?;
        Ok(device)
    }
}

impl InputDevice for Device {
    fn describe(&self) -> Description {
        let keys = self.supported_keys();
        let has_first = |keys: &evdev::AttributeSetRef<KeyCode>| {
            FIRST_BUTTON
                .iter()
                .any(|code| keys.contains(KeyCode::new(*code)))
        };
        Description {
            name: self.name().unwrap_or_default().to_owned(),
            is_keyboard: keys.is_some_and(has_first),
        }
    }

    fn read(&mut self, take: &mut dyn FnMut(KeyEvent)) -> io::Result<()> {
        let events = match self.fetch_events() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            events => events?,
        };
        for event in events {
            match event.destructure() {
                // 2 is a key that repeats while it is held.
                EventSummary::Key(_, key, value @ 0..=1) => take(KeyEvent {
                    code: key.code(),
                    is_pressed: value == 1,
                }),
                // Touch screens that tell fingers apart need not say that there is one.
                EventSummary::AbsoluteAxis(_, AbsoluteAxisCode::ABS_MT_TRACKING_ID, finger) => {
                    take(KeyEvent {
                        code: TOUCH,
                        is_pressed: finger >= 0,
                    });
                }
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    /// Devices by path: what they are, and what has happened to them.
    type Bench = Arc<Mutex<BTreeMap<PathBuf, (Description, Vec<KeyEvent>)>>>;

    struct FakeInput(Bench);
    struct FakeDevice(Bench, PathBuf);

    impl InputKernel for FakeInput {
        type Device = FakeDevice;

        fn list(&mut self) -> Vec<PathBuf> {
            self.0.lock().unwrap().keys().cloned().collect()
        }

        fn open(&mut self, path: &Path) -> io::Result<FakeDevice> {
            Ok(FakeDevice(Arc::clone(&self.0), path.to_owned()))
        }
    }

    impl InputDevice for FakeDevice {
        fn describe(&self) -> Description {
            self.0.lock().unwrap()[&self.1].0.clone()
        }

        fn read(&mut self, take: &mut dyn FnMut(KeyEvent)) -> io::Result<()> {
            let mut bench = self.0.lock().unwrap();
            let Some((_, events)) = bench.get_mut(&self.1) else {
                return Err(io::Error::other("no such device"));
            };
            events.drain(..).for_each(take);
            Ok(())
        }
    }

    fn plug(bench: &Bench, path: &str, name: &str, is_keyboard: bool) {
        let description = Description {
            name: name.to_owned(),
            is_keyboard,
        };
        let mut bench = bench.lock().unwrap();
        bench.insert(PathBuf::from(path), (description, Vec::new()));
    }

    fn unplug(bench: &Bench, path: &str) {
        bench.lock().unwrap().remove(Path::new(path));
    }

    fn press(bench: &Bench, path: &str) {
        let mut bench = bench.lock().unwrap();
        if let Some((_, events)) = bench.get_mut(Path::new(path)) {
            events.extend([true, false].map(|is_pressed| KeyEvent {
                code: FIRST_BUTTON[1],
                is_pressed,
            }));
        }
    }

    fn reader(bench: &Bench, buttons: &[&str], touch: &str) -> Reader<FakeInput> {
        let settings = InputSettings {
            buttons: buttons.iter().map(|name| (*name).to_owned()).collect(),
            touch: touch.to_owned(),
        };
        Reader::new(settings, FakeInput(Arc::clone(bench)))
    }

    fn poll(reader: &mut Reader<FakeInput>, now: Instant) -> Vec<Action> {
        let mut actions = Vec::new();
        reader.poll(now, &mut |action| actions.push(action));
        actions
    }

    #[test]
    fn devices_are_found_by_name_or_taken_as_keyboards() {
        let cases: [(&[&str], &str, &[&str]); 4] = [
            (&[], "", &["keyboard"]),
            (&["gpio-keys"], "", &["gpio-keys"]),
            (&["gpio-keys", "keyboard"], "", &["gpio-keys", "keyboard"]),
            (&["gpio-keys"], "panel touch", &["gpio-keys", "panel touch"]),
        ];
        for (buttons, touch, expected) in cases {
            let bench = Bench::default();
            plug(&bench, "event0", "gpio-keys", false);
            plug(&bench, "event1", "keyboard", true);
            plug(&bench, "event2", "mouse", false);
            plug(&bench, "event3", "panel touch", false);
            let mut reader = reader(&bench, buttons, touch);
            poll(&mut reader, Instant::now());
            let names: Vec<_> = reader.open.iter().map(|open| open.name.as_str()).collect();
            assert_eq!(names, expected);
        }
    }

    #[test]
    fn a_device_that_was_unplugged_is_taken_again_within_two_seconds() {
        let bench = Bench::default();
        plug(&bench, "event0", "gpio-keys", false);
        let mut reader = reader(&bench, &["gpio-keys"], "");
        let start = Instant::now();
        press(&bench, "event0");
        assert_eq!(poll(&mut reader, start), [Action::Confirm]);
        unplug(&bench, "event0");
        assert_eq!(poll(&mut reader, start + POLL_INTERVAL), []);
        assert!(reader.news.iter().any(|news| news.contains("has gone")));
        assert!(reader.open.is_empty());
        // It comes back under another path.
        let back = start + SEARCH_INTERVAL + POLL_INTERVAL;
        poll(&mut reader, back);
        plug(&bench, "event7", "gpio-keys", false);
        press(&bench, "event7");
        assert_eq!(poll(&mut reader, back + POLL_INTERVAL), []);
        assert_eq!(poll(&mut reader, back + SEARCH_INTERVAL), [Action::Confirm]);
        assert!(SEARCH_INTERVAL + POLL_INTERVAL < Duration::from_secs(2));
    }

    #[test]
    fn a_missing_device_is_told_once() {
        let bench = Bench::default();
        plug(&bench, "event0", "mouse", false);
        let mut reader = reader(&bench, &["gpio-keys"], "");
        let start = Instant::now();
        for second in 0..3 {
            poll(&mut reader, start + SEARCH_INTERVAL * second);
        }
        assert_eq!(reader.news.len(), 1, "{:?}", reader.news);
        assert!(reader.news[0].contains("gpio-keys"), "{:?}", reader.news);
    }

    #[test]
    fn listening_ends_with_its_owner() {
        let input = InputDevices::start(InputSettings {
            buttons: vec!["a device that nobody has".to_owned()],
            touch: String::new(),
        });
        assert_eq!(input.next_action(), None);
        drop(input);
    }
}
