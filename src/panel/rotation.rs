//! How a panel is mounted.

use thiserror::Error;

/// How far the screen is turned clockwise on the panel, so that it stands upright on a panel that
/// is mounted turned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Rotation {
    /// Not turned: the panel is mounted upright.
    #[default]
    None,
    /// By 90 degrees.
    Quarter,
    /// By 180 degrees.
    Half,
    /// By 270 degrees.
    ThreeQuarters,
}

/// An angle that no panel is mounted at.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
#[error("a panel cannot be turned by {given} degrees; choose 0, 90, 180 or 270")]
pub struct UnknownRotation {
    /// The refused angle, in degrees.
    pub given: u16,
}

impl TryFrom<u16> for Rotation {
    type Error = UnknownRotation;

    fn try_from(degrees: u16) -> Result<Self, UnknownRotation> {
        match degrees {
            0 => Ok(Rotation::None),
            90 => Ok(Rotation::Quarter),
            180 => Ok(Rotation::Half),
            270 => Ok(Rotation::ThreeQuarters),
            given => Err(UnknownRotation { given }),
        }
    }
}

impl Rotation {
    /// Every rotation.
    pub const ALL: [Rotation; 4] = [
        Rotation::None,
        Rotation::Quarter,
        Rotation::Half,
        Rotation::ThreeQuarters,
    ];

    /// Degrees, clockwise.
    pub fn degrees(self) -> u16 {
        match self {
            Rotation::None => 0,
            Rotation::Quarter => 90,
            Rotation::Half => 180,
            Rotation::ThreeQuarters => 270,
        }
    }

    /// This turn, and another after it.
    pub fn and(self, other: Self) -> Self {
        Self::ALL[(self as usize + other as usize) % Self::ALL.len()]
    }

    /// Width and height of a turned image.
    pub fn turned_size(self, (width_px, height_px): (u32, u32)) -> (u32, u32) {
        match self {
            Rotation::None | Rotation::Half => (width_px, height_px),
            Rotation::Quarter | Rotation::ThreeQuarters => (height_px, width_px),
        }
    }

    /// Where a pixel of an image of a size lies in the turned image.
    pub fn turned(self, (x, y): (u32, u32), (width_px, height_px): (u32, u32)) -> (u32, u32) {
        match self {
            Rotation::None => (x, y),
            Rotation::Quarter => (height_px - 1 - y, x),
            Rotation::Half => (width_px - 1 - x, height_px - 1 - y),
            Rotation::ThreeQuarters => (y, width_px - 1 - x),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upper_left_corner_goes_round_clockwise() {
        let corners = Rotation::ALL.map(|rotation| {
            assert_eq!(Rotation::try_from(rotation.degrees()), Ok(rotation));
            (
                rotation.turned((0, 0), (4, 3)),
                rotation.turned_size((4, 3)),
            )
        });
        let expected = [
            ((0, 0), (4, 3)),
            ((2, 0), (3, 4)),
            ((3, 2), (4, 3)),
            ((0, 3), (3, 4)),
        ];
        assert_eq!(corners, expected);
    }

    #[test]
    fn other_angles_are_refused_with_the_right_ones() {
        for degrees in [1, 45, 360, u16::MAX] {
            let error = Rotation::try_from(degrees).unwrap_err().to_string();
            assert!(error.contains("0, 90, 180 or 270"), "{error}");
        }
    }
}
