//! The disk's layout, read from the file that the scripts that make images read too.

/// The file.
const LAYOUT: &str = include_str!("../../../board/common/disk-layout.env");
const SECTORS_IN_MB: u64 = 2048;

/// The sectors of 512 bytes that hold the two copies of the boot state.
pub const STATE_SECTORS: [u64; 2] = [number("state_sector_1="), number("state_sector_2=")];
/// The bytes of a slot that an update is written to.
pub const SLOT_BYTES: u64 = number("slot_mb=") << 20;

/// The number in the line that begins with `start`.
#[allow(clippy::panic, reason = "it can only fail while the program is built")]
const fn number(start: &str) -> u64 {
    let (text, start) = (LAYOUT.as_bytes(), start.as_bytes());
    let mut line = 0;
    while line < text.len() {
        let mut at = 0;
        while at < start.len() && line + at < text.len() && text[line + at] == start[at] {
            at += 1;
        }
        if at == start.len() {
            return digits(text, line + at);
        }
        while line < text.len() && text[line] != b'\n' {
            line += 1;
        }
        line += 1;
    }
    panic!("the layout has no such line");
}

const fn digits(text: &[u8], mut at: usize) -> u64 {
    let mut number = 0;
    while text[at] != b'\n' {
        assert!(text[at].is_ascii_digit(), "the layout has no number there");
        number = number * 10 + (text[at] - b'0') as u64;
        at += 1;
    }
    number
}

// The copies lie apart from each other, behind the partition table and before the first partition.
const _: () = {
    let [first, second] = STATE_SECTORS;
    // A GPT ends with sector 33.
    assert!(33 < first && first < second && second < number("first_mb=") * SECTORS_IN_MB);
    assert!(number("root_mb=") << 20 <= SLOT_BYTES);
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_that_of_cards_in_use() {
        // A card made by an earlier version is updated by this one.
        assert_eq!(STATE_SECTORS, [1536, 1664]);
        assert_eq!(SLOT_BYTES, 400 << 20);
    }
}
