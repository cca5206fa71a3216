//! The boot state: which slot is started, and how often it may still be tried.
//!
//! Two sectors of the disk hold it, so that a cut at any moment leaves one of them whole. Each is
//! a U-Boot environment as `env export -c -s 0x200` writes it:
//!
//! ```text
//! CRC-32 of the rest (4 bytes, little endian) | NAME=value\0NAME=value\0\0 | zeros
//! ```
//!
//! The first copy counts where it is whole, else the second one; with neither, the rescue system
//! starts, since a slot might be half-written. Whoever writes begins with the copy that was *not*
//! read: the one that counts is never touched before the other one is whole.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;
use std::str::{self, FromStr};
use thiserror::Error;

/// Bytes of a copy.
pub const SECTOR_BYTES: usize = 512;
/// Tries of a slot whose system is confirmed. It gets them back at each boot check.
pub const CONFIRMED_TRIES: u8 = 9;
/// Tries of a slot that was just installed; only a confirmed one has more.
pub const TRIAL_TRIES: u8 = 3;

const CRC_BYTES: usize = 4;
const ORDER_NAME: &str = "BOOT_ORDER";
/// The order of a state that has no slot to start: U-Boot takes an empty value for no variable.
const RESCUE_NAME: &str = "R";

/// One sector of the disk.
pub type Sector = [u8; SECTOR_BYTES];

/// A partition that takes a system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Slot {
    /// The first slot.
    A,
    /// The second slot.
    B,
}

impl Slot {
    /// Both slots.
    pub const ALL: [Slot; 2] = [Slot::A, Slot::B];

    /// As boot loader and RAUC call it.
    pub fn name(self) -> &'static str {
        match self {
            Slot::A => "A",
            Slot::B => "B",
        }
    }

    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Slot::A => Slot::B,
            Slot::B => Slot::A,
        }
    }

    fn tries_name(self) -> &'static str {
        match self {
            Slot::A => "BOOT_A_LEFT",
            Slot::B => "BOOT_B_LEFT",
        }
    }

    fn index(self) -> usize {
        match self {
            Slot::A => 0,
            Slot::B => 1,
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A name that is not a slot's.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is not a slot; give A or B")]
pub struct NoSlot(String);

impl FromStr for Slot {
    type Err = NoSlot;

    fn from_str(name: &str) -> Result<Self, NoSlot> {
        let slot = Slot::ALL.into_iter().find(|slot| slot.name() == name);
        slot.ok_or_else(|| NoSlot(name.chars().take(32).collect()))
    }
}

/// The system that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Running {
    /// An installed system, in this slot.
    Slot(Slot),
    /// The factory system, on a partition that is never written.
    Rescue,
}

impl Running {
    /// What the kernel's command line names in `hemoscope.slot=`; `None` where it names none.
    pub fn from_command_line(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let name = words.find_map(|word| word.strip_prefix("hemoscope.slot="))?;
        if name == RESCUE_NAME {
            return Some(Self::Rescue);
        }
        name.parse().ok().map(Self::Slot)
    }

    /// The slot that an update is written into.
    pub fn update_target(self) -> Slot {
        self.slot().map_or(Slot::A, Slot::other)
    }

    /// The slot, unless it is the rescue system.
    pub fn slot(self) -> Option<Slot> {
        match self {
            Self::Slot(slot) => Some(slot),
            Self::Rescue => None,
        }
    }
}

impl fmt::Display for Running {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slot(slot) => slot.fmt(formatter),
            Self::Rescue => formatter.write_str(RESCUE_NAME),
        }
    }
}

/// Why a sector holds no boot state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SectorError {
    /// The sector is blank, damaged or only partly written.
    #[error("wrong checksum")]
    Checksum,
    /// The sector is whole, but its text is no boot state of this version.
    #[error("valid checksum, but no boot state")]
    Content,
}

/// Which slots may be started, in which order, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootState {
    /// The slots that hold a whole system, the wanted one first, each once. A slot that is being
    /// written is not among them.
    order: Vec<Slot>,
    /// 0 to 9, by slot.
    tries_left: [u8; 2],
}

impl BootState {
    /// As the factory leaves it: both slots hold the same confirmed system.
    pub fn factory() -> Self {
        Self {
            order: Slot::ALL.to_vec(),
            tries_left: [CONFIRMED_TRIES; 2],
        }
    }

    /// Of a disk without a boot state: neither slot may be started.
    pub fn unknown() -> Self {
        Self {
            order: Vec::new(),
            tries_left: [0; 2],
        }
    }

    /// The slots that hold a whole system, the wanted one first.
    pub fn order(&self) -> &[Slot] {
        &self.order
    }

    /// 0 to 9.
    pub fn tries_left(&self, slot: Slot) -> u8 {
        self.tries_left[slot.index()]
    }

    /// Whether a slot holds a whole system.
    pub fn is_whole(&self, slot: Slot) -> bool {
        self.order.contains(&slot)
    }

    /// Whether the boot loader may start a slot.
    pub fn is_good(&self, slot: Slot) -> bool {
        self.is_whole(slot) && self.tries_left(slot) > 0
    }

    /// The slot that is started next; `None` for the rescue system.
    pub fn primary(&self) -> Option<Slot> {
        let mut slots = self.order.iter().copied();
        slots.find(|&slot| self.is_good(slot))
    }

    /// A whole system has been written: it is started next, on trial.
    pub fn set_primary(&mut self, slot: Slot) {
        self.order.retain(|&other| other != slot);
        self.order.insert(0, slot);
        self.tries_left[slot.index()] = TRIAL_TRIES;
    }

    /// A system works: it has all its tries again.
    pub fn set_good(&mut self, slot: Slot) {
        if !self.is_whole(slot) {
            self.order.push(slot);
        }
        self.tries_left[slot.index()] = CONFIRMED_TRIES;
    }

    /// A slot is about to be written, or writing it failed: not even a new trial may start it.
    pub fn set_bad(&mut self, slot: Slot) {
        self.order.retain(|&other| other != slot);
        self.tries_left[slot.index()] = 0;
    }

    /// A whole system failed its trial: it is not started again by itself.
    pub fn set_failed(&mut self, slot: Slot) {
        if self.is_whole(slot) {
            self.order.retain(|&other| other != slot);
            self.order.push(slot);
        }
        self.tries_left[slot.index()] = 0;
    }

    /// The operator wants the installed systems tried once more; `false` where there is none.
    pub fn try_again(&mut self) -> bool {
        for &slot in &self.order {
            self.tries_left[slot.index()] = TRIAL_TRIES;
        }
        !self.order.is_empty()
    }

    /// The sector of a state.
    pub fn encode(&self) -> Sector {
        let mut text = Vec::with_capacity(SECTOR_BYTES);
        // In the order of their names, as U-Boot writes them.
        for slot in Slot::ALL {
            let line = format!("{}={}\0", slot.tries_name(), self.tries_left(slot));
            text.extend_from_slice(line.as_bytes());
        }
        let names: Vec<&str> = self.order.iter().map(|slot| slot.name()).collect();
        let order = match names.as_slice() {
            [] => RESCUE_NAME.to_owned(),
            names => names.join(" "),
        };
        text.extend_from_slice(format!("{ORDER_NAME}={order}\0").as_bytes());
        let mut sector = [0; SECTOR_BYTES];
        sector[CRC_BYTES..CRC_BYTES + text.len()].copy_from_slice(&text);
        let crc = crc32fast::hash(&sector[CRC_BYTES..]);
        sector[..CRC_BYTES].copy_from_slice(&crc.to_le_bytes());
        sector
    }

    /// The state of a sector. Variables that this version does not know are passed over.
    ///
    /// # Errors
    /// The checksum is wrong, or a variable is missing, stands twice or has a value that is none.
    pub fn decode(sector: &Sector) -> Result<Self, SectorError> {
        let (crc, content) = sector.split_at(CRC_BYTES);
        if crc != crc32fast::hash(content).to_le_bytes() {
            return Err(SectorError::Checksum);
        }
        Self::parse(content).ok_or(SectorError::Content)
    }

    fn parse(content: &[u8]) -> Option<Self> {
        let mut order = None;
        let mut tries = [None; 2];
        for line in content.split(|&byte| byte == 0) {
            if line.is_empty() {
                break;
            }
            let (name, value) = str::from_utf8(line).ok()?.split_once('=')?;
            let is_repeated = if name == ORDER_NAME {
                order.replace(parse_order(value)?).is_some()
            } else if let Some(slot) = Slot::ALL.into_iter().find(|s| s.tries_name() == name) {
                let digit = value.chars().next()?.to_digit(10)?;
                // U-Boot counts in hexadecimal, which for one digit is the same.
                (value.len() == 1).then_some(())?;
                tries[slot.index()].replace(digit as u8).is_some()
            } else {
                false
            };
            if is_repeated {
                return None;
            }
        }
        Some(Self {
            order: order?,
            tries_left: [tries[0]?, tries[1]?],
        })
    }
}

fn parse_order(value: &str) -> Option<Vec<Slot>> {
    if value == RESCUE_NAME {
        return Some(Vec::new());
    }
    let order: Result<Vec<Slot>, _> = value.split(' ').map(str::parse).collect();
    match order.ok()?.as_slice() {
        [first, second] if first == second => None,
        slots if slots.len() <= Slot::ALL.len() => Some(slots.to_vec()),
        _ => None,
    }
}

/// One of the two places of the boot state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SectorCopy {
    /// The copy that is read first.
    First,
    /// The copy that stands in when the first is damaged.
    Second,
}

impl SectorCopy {
    /// Both, in the order in which they are read.
    pub const ALL: [SectorCopy; 2] = [SectorCopy::First, SectorCopy::Second];
}

/// The state of two copies, and which of them was taken; `None` where neither is whole.
pub fn read_copies(first: &Sector, second: &Sector) -> Option<(BootState, SectorCopy)> {
    let copies = [(first, SectorCopy::First), (second, SectorCopy::Second)];
    let mut states = copies
        .into_iter()
        .filter_map(|(sector, copy)| Some((BootState::decode(sector).ok()?, copy)));
    states.next()
}

/// The order in which the copies are written, where `read` was taken: the other one first.
pub fn write_order(read: Option<SectorCopy>) -> [SectorCopy; 2] {
    match read {
        Some(SectorCopy::First) => [SectorCopy::Second, SectorCopy::First],
        Some(SectorCopy::Second) | None => SectorCopy::ALL,
    }
}

/// What the boot loader starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The system that comes up.
    pub running: Running,
    /// The states that it writes on the way, each before it tries to load a kernel.
    pub written: Vec<BootState>,
}

/// The rule of `board/common/boot.cmd`: each slot of the order that has tries left loses one
/// of them and is loaded; where that fails, the next one follows at once, and the rescue system
/// last. `can_load` tells whether a slot's kernel can be loaded.
pub fn choose(state: Option<&BootState>, mut can_load: impl FnMut(Slot) -> bool) -> Choice {
    let mut written = Vec::new();
    if let Some(state) = state {
        let mut state = state.clone();
        for slot in state.order.clone() {
            if !state.is_good(slot) {
                continue;
            }
            state.tries_left[slot.index()] -= 1;
            written.push(state.clone());
            if can_load(slot) {
                let running = Running::Slot(slot);
                return Choice { running, written };
            }
        }
    }
    Choice {
        running: Running::Rescue,
        written,
    }
}

/// Where the boot state lies: the disk, or what a test takes for one.
pub trait BootSectors {
    /// Reads a copy.
    ///
    /// # Errors
    /// The disk does not give it.
    fn read(&self, copy: SectorCopy) -> io::Result<Sector>;

    /// Writes a copy, and returns once it would survive a power cut.
    ///
    /// # Errors
    /// The disk does not take it.
    fn write(&mut self, copy: SectorCopy, sector: &Sector) -> io::Result<()>;
}

/// Reads the boot state; `None` where neither copy is whole.
///
/// # Errors
/// The disk gives neither copy.
pub fn load(sectors: &impl BootSectors) -> io::Result<Option<BootState>> {
    Ok(read_both(sectors)?.map(|(state, _)| state))
}

fn read_both(sectors: &impl BootSectors) -> io::Result<Option<(BootState, SectorCopy)>> {
    // A sector that cannot be read is no more than one that is torn.
    match SectorCopy::ALL.map(|copy| sectors.read(copy)) {
        [Err(error), Err(_)] => Err(error),
        [first, second] => Ok(read_copies(
            &first.unwrap_or([0; SECTOR_BYTES]),
            &second.unwrap_or([0; SECTOR_BYTES]),
        )),
    }
}

/// Writes the boot state into both copies, unless it stands there.
///
/// # Errors
/// The disk does not take it; the state before is then still whole, or the new one is.
pub fn store(sectors: &mut impl BootSectors, state: &BootState) -> io::Result<()> {
    let wanted = state.encode();
    let read = read_both(sectors)?.map(|(_, copy)| copy);
    for copy in write_order(read) {
        if sectors.read(copy).ok() != Some(wanted) {
            sectors.write(copy, &wanted)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn state(order: &str, a: u8, b: u8) -> BootState {
        BootState {
            order: parse_order(order).unwrap(),
            tries_left: [a, b],
        }
    }

    fn sector_of(content: &str) -> Sector {
        let mut sector = [0; SECTOR_BYTES];
        sector[CRC_BYTES..CRC_BYTES + content.len()].copy_from_slice(content.as_bytes());
        let crc = crc32fast::hash(&sector[CRC_BYTES..]);
        sector[..CRC_BYTES].copy_from_slice(&crc.to_le_bytes());
        sector
    }

    fn any_state() -> impl Strategy<Value = BootState> {
        let order = prop::sample::select(vec!["A B", "B A", "A", "B", "R"]);
        (order, 0..=9_u8, 0..=9_u8).prop_map(|(order, a, b)| state(order, a, b))
    }

    #[test]
    fn the_factory_s_sector_is_u_boot_s() {
        let sector = BootState::factory().encode();
        let text = b"BOOT_A_LEFT=9\0BOOT_B_LEFT=9\0BOOT_ORDER=A B\0\0";
        assert_eq!(&sector[CRC_BYTES..CRC_BYTES + text.len()], text);
        // zlib.crc32 of Python, over the 508 bytes.
        assert_eq!(sector[..CRC_BYTES], 0x779c_c37b_u32.to_le_bytes());
        assert!(
            sector[CRC_BYTES + text.len()..]
                .iter()
                .all(|&byte| byte == 0)
        );
    }

    #[test]
    fn contents_are_taken_or_refused() {
        let cases = [
            ("BOOT_ORDER=A B\0BOOT_A_LEFT=9\0BOOT_B_LEFT=0\0", true),
            ("BOOT_ORDER=R\0BOOT_A_LEFT=0\0BOOT_B_LEFT=0\0", true),
            (
                "BOOT_A_LEFT=1\0BOOT_B_LEFT=2\0BOOT_ORDER=B\0LATER=x\0",
                true,
            ),
            ("", false),
            ("BOOT_ORDER=A B\0BOOT_A_LEFT=9\0", false),
            ("BOOT_ORDER=\0BOOT_A_LEFT=9\0BOOT_B_LEFT=0\0", false),
            ("BOOT_ORDER=A A\0BOOT_A_LEFT=9\0BOOT_B_LEFT=0\0", false),
            ("BOOT_ORDER=A B A\0BOOT_A_LEFT=9\0BOOT_B_LEFT=0\0", false),
            ("BOOT_ORDER=A  B\0BOOT_A_LEFT=9\0BOOT_B_LEFT=0\0", false),
            ("BOOT_ORDER=A C\0BOOT_A_LEFT=9\0BOOT_B_LEFT=0\0", false),
            ("BOOT_ORDER=A\0BOOT_A_LEFT=10\0BOOT_B_LEFT=0\0", false),
            ("BOOT_ORDER=A\0BOOT_A_LEFT=-1\0BOOT_B_LEFT=0\0", false),
            ("BOOT_ORDER=A\0BOOT_A_LEFT=\0BOOT_B_LEFT=0\0", false),
            (
                "BOOT_ORDER=A\0BOOT_A_LEFT=1\0BOOT_A_LEFT=1\0BOOT_B_LEFT=0\0",
                false,
            ),
            (
                "BOOT_ORDER=A\0nonsense\0BOOT_A_LEFT=1\0BOOT_B_LEFT=0\0",
                false,
            ),
        ];
        for (content, is_taken) in cases {
            let decoded = BootState::decode(&sector_of(content));
            assert_eq!(decoded.is_ok(), is_taken, "{content:?}: {decoded:?}");
        }
        assert_eq!(
            BootState::decode(&[0; SECTOR_BYTES]),
            Err(SectorError::Checksum)
        );
    }

    proptest! {
        #[test]
        fn any_sector_gives_a_state_or_an_error(bytes in vec(any::<u8>(), SECTOR_BYTES)) {
            let mut sector: Sector = bytes.try_into().unwrap();
            prop_assert!(BootState::decode(&sector).is_err());
            // The same with a right checksum.
            let crc = crc32fast::hash(&sector[CRC_BYTES..]);
            sector[..CRC_BYTES].copy_from_slice(&crc.to_le_bytes());
            let _ = BootState::decode(&sector);
        }

        #[test]
        fn a_state_comes_back(state in any_state()) {
            prop_assert_eq!(BootState::decode(&state.encode()), Ok(state));
        }

        #[test]
        fn a_flipped_bit_is_refused(state in any_state(), bit in 0..SECTOR_BYTES * 8) {
            let mut sector = state.encode();
            sector[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(BootState::decode(&sector), Err(SectorError::Checksum));
        }
    }

    #[test]
    fn the_first_slot_with_tries_is_started() {
        let cases = [
            ("A B", 9, 9, "A", "A B", 8, 9),
            ("B A", 9, 3, "B", "B A", 9, 2),
            ("B A", 9, 0, "A", "B A", 8, 0),
            ("A", 1, 9, "A", "A", 0, 9),
            ("A B", 0, 0, "R", "A B", 0, 0),
            ("R", 9, 9, "R", "R", 9, 9),
        ];
        for (order, a, b, expected, order_after, a_after, b_after) in cases {
            let before = state(order, a, b);
            let choice = choose(Some(&before), |_| true);
            assert_eq!(choice.running.to_string(), expected, "{order} {a} {b}");
            let after = choice.written.last().unwrap_or(&before);
            assert_eq!(*after, state(order_after, a_after, b_after));
            let primary = before.primary().map_or("R", Slot::name);
            assert_eq!(primary, expected, "{order} {a} {b}");
        }
        assert_eq!(choose(None, |_| true).running, Running::Rescue);
    }

    #[test]
    fn a_kernel_that_cannot_be_loaded_costs_a_try_and_the_next_one_follows() {
        let before = state("B A", 9, 3);
        let choice = choose(Some(&before), |slot| slot == Slot::A);
        assert_eq!(choice.running, Running::Slot(Slot::A));
        assert_eq!(choice.written, [state("B A", 9, 2), state("B A", 8, 2)]);
        assert_eq!(choose(Some(&before), |_| false).running, Running::Rescue);
    }

    #[test]
    fn marks_do_what_they_say() {
        let mut boot = BootState::factory();
        boot.set_bad(Slot::B);
        assert_eq!(boot, state("A", 9, 0));
        boot.set_primary(Slot::B);
        assert_eq!(boot, state("B A", 9, 3));
        boot.set_failed(Slot::B);
        assert_eq!(boot, state("A B", 9, 0));
        assert!(boot.is_whole(Slot::B) && !boot.is_good(Slot::B));
        boot.set_good(Slot::B);
        assert_eq!(boot, state("A B", 9, 9));
        boot.set_bad(Slot::A);
        boot.set_bad(Slot::B);
        assert_eq!(boot, BootState::unknown());
        boot.set_failed(Slot::A);
        assert!(!boot.try_again(), "nothing whole is there");
        assert_eq!(boot, BootState::unknown());
        boot.set_good(Slot::A);
        assert_eq!(boot, state("A", 9, 0));
    }

    #[test]
    fn a_half_written_slot_is_not_tried_again() {
        let mut boot = state("A B", 0, 0);
        boot.set_bad(Slot::A);
        assert!(boot.try_again());
        assert_eq!(boot, state("B", 0, 3));
    }

    #[test]
    fn the_running_slot_stands_on_the_command_line() {
        let cases = [
            ("root=PARTUUID=1 ro hemoscope.slot=B quiet", Some("B")),
            ("hemoscope.slot=R\n", Some("R")),
            ("hemoscope.slot=", None),
            ("hemoscope.slot=C", None),
            ("xhemoscope.slot=A", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let running = Running::from_command_line(text).map(|running| running.to_string());
            assert_eq!(running.as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn an_update_goes_where_nothing_runs() {
        assert_eq!(Running::Slot(Slot::A).update_target(), Slot::B);
        assert_eq!(Running::Slot(Slot::B).update_target(), Slot::A);
        assert_eq!(Running::Rescue.update_target(), Slot::A);
    }

    /// Two sectors; the write number `cut_at` is torn, and nothing after it is written.
    struct Memory {
        sectors: [Sector; 2],
        writes: usize,
        cut_at: usize,
    }

    impl BootSectors for Memory {
        fn read(&self, copy: SectorCopy) -> io::Result<Sector> {
            Ok(self.sectors[copy as usize])
        }

        fn write(&mut self, copy: SectorCopy, sector: &Sector) -> io::Result<()> {
            self.writes += 1;
            let torn = match self.writes.cmp(&self.cut_at) {
                std::cmp::Ordering::Less => SECTOR_BYTES,
                std::cmp::Ordering::Equal => 20,
                std::cmp::Ordering::Greater => return Err(io::Error::other("no power")),
            };
            self.sectors[copy as usize][..torn].copy_from_slice(&sector[..torn]);
            if torn == SECTOR_BYTES {
                Ok(())
            } else {
                Err(io::Error::other("no power"))
            }
        }
    }

    #[test]
    fn cuts_one_after_the_other_leave_the_old_state_or_the_new_one() {
        for cuts in 0..81_usize {
            let mut old = BootState::factory();
            let mut disk = Memory {
                sectors: [old.encode(); 2],
                writes: 0,
                cut_at: usize::MAX,
            };
            // Four writes of a state in a row, each cut at its first or second sector, or not.
            for turn in 0..4_u32 {
                let mut new = old.clone();
                new.tries_left = [turn as u8, 8 - turn as u8];
                disk.writes = 0;
                disk.cut_at = match cuts / 3_usize.pow(turn) % 3 {
                    0 => usize::MAX,
                    at => at,
                };
                let is_whole = store(&mut disk, &new).is_ok();
                let found = load(&disk).unwrap();
                let found = found.unwrap_or_else(|| panic!("{cuts} {turn}: nothing is whole"));
                assert!(found == new || found == old, "{cuts} {turn}: {found:?}");
                assert!(!is_whole || found == new, "{cuts} {turn}");
                old = found;
            }
        }
    }

    #[test]
    fn what_stands_there_is_not_written_again() {
        let state = BootState::factory();
        let mut disk = Memory {
            sectors: [state.encode(), [0; SECTOR_BYTES]],
            writes: 0,
            cut_at: usize::MAX,
        };
        store(&mut disk, &state).unwrap();
        assert_eq!(disk.writes, 1, "only the torn copy");
        store(&mut disk, &state).unwrap();
        assert_eq!(disk.writes, 1);
    }
}
