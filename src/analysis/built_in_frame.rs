//! The frame that is built into the program, for measuring it and for its known answer.

/// A field of the simulated slide, 640x480, as a USB camera sends it: baseline JPEG with half the
/// colour across. `make bench-frame` makes it.
pub const BUILT_IN_FRAME: &[u8] = include_bytes!("built_in_frame.jpg");
/// Its pixel size, in micrometres: a red cell is twice as wide as in the network's input.
pub const BUILT_IN_UM_PER_PX: f64 = 0.0725;
/// What messages call it.
pub const BUILT_IN_NAME: &str = "the built-in frame";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::decode_image;

    #[test]
    fn the_built_in_frame_is_a_frame_of_a_small_camera() {
        let frame = decode_image(BUILT_IN_FRAME, BUILT_IN_NAME).unwrap();
        assert_eq!((frame.width_px(), frame.height_px()), (640, 480));
    }
}
