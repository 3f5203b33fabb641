//! Medians, spreads, paired ratios, and the order in which paths take turns.

/// The middle value, or the mean of the two in the middle. `None`: no values.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = *sorted.get(sorted.len() / 2 - 1)?;
    Some(f64::midpoint(lower, upper))
}

/// The value below which `share` (0 to 1) of them lie, by nearest rank. `None`: no values.
pub(crate) fn percentile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (share.clamp(0.0, 1.0) * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}

/// How far the rounds lie apart: (largest - smallest) / median. `None`: no values, or a median
/// of zero.
pub(crate) fn spread(values: &[f64]) -> Option<f64> {
    let middle = median(values)?;
    let largest = values.iter().copied().reduce(f64::max)?;
    let smallest = values.iter().copied().reduce(f64::min)?;
    (middle != 0.0).then(|| (largest - smallest) / middle)
}

/// The median of value / base, round by round: what slows a whole round down cancels out.
/// A path that gave up has fewer rounds than its base; the rounds that both have count.
pub(crate) fn paired_ratio(values: &[f64], base: &[f64]) -> Option<f64> {
    let ratios: Vec<f64> = paired(values, base)
        .filter(|(_, base)| *base != 0.0)
        .map(|(value, base)| value / base)
        .collect();
    median(&ratios)
}

/// The median of value - base, round by round.
pub(crate) fn paired_difference(values: &[f64], base: &[f64]) -> Option<f64> {
    let differences: Vec<f64> = paired(values, base).map(|(v, b)| v - b).collect();
    median(&differences)
}

fn paired<'a>(values: &'a [f64], base: &'a [f64]) -> impl Iterator<Item = (f64, f64)> + 'a {
    values.iter().copied().zip(base.iter().copied())
}

/// The order of `paths` in `round`: everyone once, each round starting with the next one, so
/// that nobody always follows the same neighbour into a warm or a tired machine.
pub(crate) fn turn(round: usize, paths: usize) -> impl Iterator<Item = usize> {
    (0..paths).map(move |place| (place + round) % paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        for (values, want) in [
            (&[][..], None),
            (&[3.0], Some(3.0)),
            (&[9.0, 1.0], Some(5.0)),
            (&[9.0, 1.0, 2.0], Some(2.0)),
            (&[4.0, 1.0, 3.0, 2.0], Some(2.5)),
        ] {
            assert_eq!(median(values), want, "{values:?}");
        }
    }

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let hundred: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        for (share, want) in [
            (0.0, 1.0),
            (0.5, 50.0),
            (0.99, 99.0),
            (1.0, 100.0),
            (7.0, 100.0),
        ] {
            assert_eq!(percentile(&hundred, share), Some(want), "{share}");
        }
        assert_eq!(percentile(&[5.0], 0.99), Some(5.0));
        assert_eq!(percentile(&[], 0.5), None);
    }

    #[test]
    fn a_spread_is_a_share_of_the_median() {
        assert_eq!(spread(&[9.0, 10.0, 12.0]), Some(0.3));
        assert_eq!(spread(&[7.0]), Some(0.0));
        assert_eq!(spread(&[0.0, 0.0]), None);
        assert_eq!(spread(&[]), None);
    }

    #[test]
    fn a_ratio_is_paired_by_round() {
        // The second round was twice as slow for everyone: the ratio does not see it.
        assert_eq!(
            paired_ratio(&[5.0, 2.5, 5.0], &[10.0, 5.0, 10.0]),
            Some(0.5)
        );
        assert_eq!(paired_ratio(&[5.0], &[10.0, 1.0]), Some(0.5));
        assert_eq!(paired_ratio(&[5.0, 6.0], &[0.0, 3.0]), Some(2.0));
        assert_eq!(paired_ratio(&[], &[1.0]), None);
    }

    #[test]
    fn a_difference_is_paired_by_round() {
        assert_eq!(
            paired_difference(&[130.0, 230.0, 140.0], &[60.0, 160.0, 60.0]),
            Some(70.0)
        );
        assert_eq!(paired_difference(&[1.0], &[]), None);
    }

    #[test]
    fn every_path_has_its_turn_and_starts_once() {
        let orders: Vec<Vec<usize>> = (0..4).map(|round| turn(round, 3).collect()).collect();
        assert_eq!(
            orders,
            [vec![0, 1, 2], vec![1, 2, 0], vec![2, 0, 1], vec![0, 1, 2]]
        );
        assert_eq!(turn(5, 0).count(), 0);
    }
}
