//! The area that boxes cover together.

use super::BoundingBox;

/// The area that any of the boxes covers, in 1/256 of a square pixel; what several of them cover
/// counts once. It takes no memory, and time with the third power of their number: for few boxes.
pub fn union_area_q8(boxes: &[BoundingBox]) -> u64 {
    let edges = || boxes.iter().flat_map(|one| [one.x0_q4, one.x1_q4]);
    let mut area_q8 = 0;
    let mut left = edges().min();
    // From one vertical edge to the next the same boxes lie over each other.
    while let Some(x_q4) = left {
        left = edges().filter(|edge| *edge > x_q4).min();
        let width_q4 = left.map_or(0, |right| i64::from(right) - i64::from(x_q4));
        let spans = boxes
            .iter()
            .filter(|one| (one.x0_q4..one.x1_q4).contains(&x_q4))
            .map(|one| (one.y0_q4, one.y1_q4));
        area_q8 += width_q4.unsigned_abs() * covered_length_q4(spans);
    }
    area_q8
}

/// The length that any of the spans covers.
fn covered_length_q4(spans: impl Iterator<Item = (i32, i32)> + Clone) -> u64 {
    let mut length_q4 = 0;
    let mut end = i32::MIN;
    loop {
        let beyond = spans.clone().filter(|span| span.1 > span.0.max(end));
        let Some((start, next)) = beyond.min_by_key(|span| span.0.max(end)) else {
            return length_q4;
        };
        length_q4 += u64::from(next.abs_diff(start.max(end)));
        end = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_box() -> impl Strategy<Value = BoundingBox> {
        let edge = || -12i32..40;
        (edge(), edge(), edge(), edge()).prop_map(|(x0_q4, y0_q4, x1_q4, y1_q4)| BoundingBox {
            x0_q4,
            y0_q4,
            x1_q4,
            y1_q4,
        })
    }

    #[test]
    fn no_box_covers_nothing() {
        assert_eq!(union_area_q8(&[]), 0);
    }

    proptest! {
        #[test]
        fn the_union_is_the_number_of_covered_points(
            boxes in proptest::collection::vec(any_box(), 0..7),
        ) {
            let is_covered = |x: i32, y: i32| {
                boxes.iter().any(|one| {
                    (one.x0_q4..one.x1_q4).contains(&x) && (one.y0_q4..one.y1_q4).contains(&y)
                })
            };
            let points = (-12..40).flat_map(|x| (-12..40).map(move |y| (x, y)));
            let expected = points.filter(|(x, y)| is_covered(*x, *y)).count();
            prop_assert_eq!(union_area_q8(&boxes), expected as u64);
        }
    }
}
