// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Rounding of floats for processors without SSE4.1, in the default rounding mode.
//!
//! A magnitude of 2^52 (2^23 for `f32`) or more has no fraction; below it, conversion to an
//! integer and back truncates exactly. Zeroes keep their sign, and a NaN comes out quiet, as the
//! core specification asks ("Floating-Point Operations").

macro_rules! rounding {
    ($float:ty, $integer:ty, $limit:expr, $trunc:ident, $floor:ident, $ceil:ident, $nearest:ident) => {
        /// Towards zero.
        #[cfg_attr(feature = "symbols", unsafe(export_name = stringify!($trunc)))]
        pub extern "C" fn $trunc(x: $float) -> $float {
            if x.abs() < $limit {
                (x as $integer as $float).copysign(x)
            } else {
                x + 0.0
            }
        }

        /// Down.
        #[cfg_attr(feature = "symbols", unsafe(export_name = stringify!($floor)))]
        pub extern "C" fn $floor(x: $float) -> $float {
            let whole = $trunc(x);
            if whole > x { whole - 1.0 } else { whole }
        }

        /// Up.
        #[cfg_attr(feature = "symbols", unsafe(export_name = stringify!($ceil)))]
        pub extern "C" fn $ceil(x: $float) -> $float {
            let whole = $trunc(x);
            if whole < x {
                (whole + 1.0).copysign(x)
            } else {
                whole
            }
        }

        /// To the nearest, ties to even.
        #[cfg_attr(feature = "symbols", unsafe(export_name = stringify!($nearest)))]
        pub extern "C" fn $nearest(x: $float) -> $float {
            if x.abs() < $limit {
                // Adding the limit leaves no bit for the fraction.
                ((x.abs() + $limit) - $limit).copysign(x)
            } else {
                x + 0.0
            }
        }
    };
}

rounding!(f32, i32, 8_388_608.0, truncf, floorf, ceilf, rintf);
rounding!(f64, i64, 4_503_599_627_370_496.0, trunc, floor, ceil, rint);

#[cfg(test)]
mod tests {
    extern crate std;

    #[test]
    fn as_the_standard_library_rounds() {
        let specials = [
            0.0,
            -0.0,
            0.5,
            -0.5,
            1.5,
            2.5,
            -1.5,
            -2.5,
            0.499_999_999_999_999_94,
            1e300,
            -1e300,
            4_503_599_627_370_495.5,
            4_503_599_627_370_496.0,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::MIN_POSITIVE,
            -f64::MIN_POSITIVE,
        ];
        let mut state = 1u64;
        let random = core::iter::repeat_with(move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            f64::from_bits(state ^ (state >> 29))
        });
        for x in specials.into_iter().chain(random.take(100_000)) {
            if x.is_nan() {
                assert!(super::rint(x).is_nan() && super::floor(x).is_nan());
                continue;
            }
            assert_eq!(super::trunc(x).to_bits(), x.trunc().to_bits(), "{x}");
            assert_eq!(super::floor(x).to_bits(), x.floor().to_bits(), "{x}");
            assert_eq!(super::ceil(x).to_bits(), x.ceil().to_bits(), "{x}");
            assert_eq!(
                super::rint(x).to_bits(),
                x.round_ties_even().to_bits(),
                "{x}"
            );
            let y = x as f32;
            assert_eq!(super::truncf(y).to_bits(), y.trunc().to_bits(), "{y}");
            assert_eq!(super::floorf(y).to_bits(), y.floor().to_bits(), "{y}");
            assert_eq!(super::ceilf(y).to_bits(), y.ceil().to_bits(), "{y}");
            assert_eq!(
                super::rintf(y).to_bits(),
                y.round_ties_even().to_bits(),
                "{y}"
            );
        }
        let signalling = f64::from_bits(0x7ff0_0000_0000_0001);
        assert_eq!(super::ceil(signalling).to_bits() & (1 << 51), 1 << 51);
    }
}
