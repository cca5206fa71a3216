//! Which rows of the screen a display does not hold yet.

use std::ops::Range;

/// A mark for each row of the screen. Marking and looking allocate nothing.
#[derive(Debug, Clone)]
pub(super) struct StaleRows {
    marked: Vec<bool>,
}

impl StaleRows {
    /// All rows of a screen.
    pub(super) fn all(height_px: u32) -> Self {
        Self {
            marked: vec![true; height_px as usize],
        }
    }

    /// Marks runs of rows; what lies below the screen is left out.
    pub(super) fn mark(&mut self, changed_rows: &[Range<u32>]) {
        for rows in changed_rows {
            let rows = rows.start as usize..(rows.end as usize).min(self.marked.len());
            if let Some(rows) = self.marked.get_mut(rows) {
                rows.fill(true);
            }
        }
    }

    /// Marks every row.
    pub(super) fn mark_all(&mut self) {
        self.marked.fill(true);
    }

    /// The display holds every row.
    pub(super) fn clear(&mut self) {
        self.marked.fill(false);
    }

    /// Whether the display holds every row.
    pub(super) fn is_empty(&self) -> bool {
        !self.marked.contains(&true)
    }

    /// Runs of marked rows, from the top.
    pub(super) fn runs(&self) -> impl Iterator<Item = Range<u32>> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let left = &self.marked[at..];
            let start = at + left.iter().position(|marked| *marked)?;
            let run = self.marked[start..].iter().take_while(|marked| **marked);
            at = start + run.count();
            // Rows of a canvas: at most a few thousand.
            Some(start as u32..at as u32)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_come_back_as_runs() {
        let mut rows = StaleRows::all(8);
        assert_eq!(rows.runs().collect::<Vec<_>>(), [0..8]);
        rows.clear();
        assert!(rows.is_empty() && rows.runs().next().is_none());
        rows.mark(&[1..3, 2..4, 7..99, 20..30, 5..5]);
        assert_eq!(rows.runs().collect::<Vec<_>>(), [1..4, 7..8]);
        rows.mark_all();
        assert_eq!(rows.runs().collect::<Vec<_>>(), [0..8]);
    }
}
