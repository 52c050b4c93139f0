// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! When a message is sent again: the round-trip time, smoothed, and its deviation, as RFC 6298
//! has it, with times between the bounds of a link.

use super::Config;

/// The time after which a message counts as lost.
#[derive(Debug)]
pub struct Timeout {
    smoothed_ns: u64,
    deviation_ns: u64,
    /// With back-off.
    now_ns: u64,
    /// A message whose time is taken: its number, and when it was sent.
    timed: Option<(u32, u64)>,
}

impl Timeout {
    pub const fn new(config: &Config) -> Self {
        Self {
            smoothed_ns: 0,
            deviation_ns: 0,
            now_ns: config.timeout_first_ns,
            timed: None,
        }
    }

    pub fn ns(&self) -> u64 {
        self.now_ns
    }

    /// A message is sent for the first time.
    pub fn sent(&mut self, number: u32, now_ns: u64) {
        self.timed.get_or_insert((number, now_ns));
    }

    /// Messages are sent again: what is acknowledged from now on may be either of both.
    pub fn lost(&mut self, config: &Config) {
        self.timed = None;
        self.back_off(config);
    }

    /// Nobody answers.
    pub fn back_off(&mut self, config: &Config) {
        self.now_ns = (self.now_ns * 2).min(config.timeout_max_ns);
    }

    /// Everything before message `next` is acknowledged.
    pub fn acknowledged(&mut self, next: u32, now_ns: u64, config: &Config) {
        if let Some((number, sent_ns)) = self.timed
            && (next.wrapping_sub(number) as i32) > 0
        {
            self.timed = None;
            self.sample(now_ns.saturating_sub(sent_ns));
        }
        // Progress ends a back-off.
        if self.smoothed_ns != 0 {
            let timeout = self.smoothed_ns + 4 * self.deviation_ns;
            self.now_ns = timeout.clamp(config.timeout_min_ns, config.timeout_max_ns);
        }
    }

    fn sample(&mut self, round_trip_ns: u64) {
        // Nothing takes longer than a minute: what does comes of a clock that jumped.
        let round_trip_ns = round_trip_ns.clamp(1, 60_000_000_000);
        if self.smoothed_ns == 0 {
            self.smoothed_ns = round_trip_ns;
            self.deviation_ns = round_trip_ns / 2;
            return;
        }
        let error = self.smoothed_ns.abs_diff(round_trip_ns);
        self.deviation_ns = (3 * self.deviation_ns + error) / 4;
        self.smoothed_ns = (7 * self.smoothed_ns + round_trip_ns) / 8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn it_follows_the_round_trip_and_backs_off() {
        let config = Config::SERIAL;
        let mut timeout = Timeout::new(&config);
        assert_eq!(timeout.ns(), config.timeout_first_ns);
        for number in 0..50 {
            let sent = u64::from(number) * 1000 * MS;
            timeout.sent(number, sent);
            timeout.sent(number + 1, sent + 5);
            timeout.acknowledged(number + 1, sent + 300 * MS, &config);
        }
        assert!((300 * MS..330 * MS).contains(&timeout.ns()), "{timeout:?}");
        timeout.lost(&config);
        assert!(timeout.ns() >= 600 * MS);
        for _ in 0..40 {
            timeout.lost(&config);
        }
        assert_eq!(timeout.ns(), config.timeout_max_ns);
        timeout.acknowledged(60, 0, &config);
        assert!(timeout.ns() < 330 * MS);
    }
}
