//! What the frame header of an image says.

use super::marker;
use crate::decode::error::Fault;
use crate::image::frame::Frame;

/// Channels of a colour image.
pub(super) const CHANNELS: usize = 3;

/// How one component is sampled, and which quantization table is its own (T.81, B.2.2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Component {
    pub id: u8,
    pub horizontal: u32,
    pub vertical: u32,
    pub quantization: u8,
}

/// What the frame header says (T.81, B.2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) width_px: u32,
    pub(super) height_px: u32,
    pub(super) bits: u8,
    pub(super) channels: u8,
    pub(super) marker: u8,
    pub(super) components: [Component; CHANNELS],
    /// Whether a note of Adobe's names another colour space than YCbCr.
    pub(super) has_other_colours: bool,
}

impl Header {
    pub(super) fn parse(marker: u8, segment: &[u8]) -> Result<Self, Fault> {
        let too_short = || Fault::damaged("its frame header is too short");
        let (sizes, rest) = segment.split_first_chunk().ok_or_else(too_short)?;
        let &[
            bits,
            height_high,
            height_low,
            width_high,
            width_low,
            channels,
        ] = sizes;
        let entries = rest
            .get(..3 * usize::from(channels))
            .ok_or_else(too_short)?;
        let component = |entry: &[u8]| Component {
            id: entry[0],
            horizontal: u32::from(entry[1] >> 4),
            vertical: u32::from(entry[1] & 15),
            quantization: entry[2],
        };
        let mut components = [Component::default(); CHANNELS];
        for (found, entry) in components.iter_mut().zip(entries.chunks_exact(3)) {
            *found = component(entry);
        }
        Ok(Self {
            width_px: u32::from(u16::from_be_bytes([width_high, width_low])),
            height_px: u32::from(u16::from_be_bytes([height_high, height_low])),
            bits,
            channels,
            marker,
            components,
            has_other_colours: false,
        })
    }

    /// Whether the codes can be read in one pass, block after block.
    pub(super) fn is_sequential(&self) -> bool {
        self.marker <= marker::START_OF_FRAME_EXTENDED
    }

    /// The largest factors of any component, across and down.
    pub(super) fn largest_sampling(&self) -> (u32, u32) {
        let largest = |side: fn(&Component) -> u32| self.components.iter().map(side).max();
        (
            largest(|component| component.horizontal).unwrap_or(1),
            largest(|component| component.vertical).unwrap_or(1),
        )
    }

    /// Refuses what must not or cannot be decoded.
    pub(super) fn check(&self) -> Result<(), Fault> {
        Frame::check_size(self.width_px, self.height_px)?;
        if self.marker > marker::START_OF_FRAME_PROGRESSIVE {
            return Err(Fault::Coding("lossless or arithmetic JPEG coding".into()));
        }
        if self.bits != 8 {
            return Err(Fault::Coding(format!("{} bits a channel", self.bits)));
        }
        match self.channels {
            1 => return Err(Fault::Grey),
            3 => {}
            4 => return Err(Fault::Cmyk),
            other => return Err(Fault::Coding(format!("{other} colour channels"))),
        }
        let sampling = |component: &Component| [component.horizontal, component.vertical];
        let mut factors = self.components.iter().flat_map(sampling);
        if !factors.all(|factor| (1..=4).contains(&factor)) {
            return Err(Fault::damaged("an impossible sampling of its channels"));
        }
        Ok(())
    }
}
