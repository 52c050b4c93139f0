// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What the analysis says of loops, compared with what they do.

use super::affine::Affine;
use super::loops::{Bound, Loops};
use super::range::Range;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Function, Value};
use cranelift_codegen::loop_analysis::Loop;
use cranelift_codegen::{Context, settings};

/// The function of this text, analysed as far as every pass expects.
pub fn context(text: &str) -> Context {
    let mut functions = cranelift_reader::parse_functions(text).expect("CLIF");
    let mut context = Context::for_function(functions.remove(0));
    context.flowgraph();
    context.compute_loop_analysis();
    context
}

/// The text of a function, which must be valid.
pub fn text(context: &Context) -> String {
    let text = context.func.display().to_string();
    let flags = settings::Flags::new(settings::builder());
    context.verify(&flags).expect(&text);
    text
}

/// The value of this number in the text.
fn value(func: &Function, name: &str) -> Value {
    let text = func.display().to_string();
    assert!(text.contains(name), "{name} in {text}");
    Value::from_u32(name[1..].parse().expect("a number"))
}

fn only(loops: &Loops) -> Loop {
    let mut all = loops.all.keys();
    let only = all.next().expect("a loop");
    assert!(all.next().is_none());
    only
}

const GEMM: &str = "function %f(i64, f64) {
    block0(v0: i64, v1: f64):
        v2 = iconst.i32 0x139760
        v3 = iconst.i32 0
        jump block1(v2, v3)
    block1(v4: i32, v5: i32):
        v6 = iconst.i32 0
        jump block2(v6)
    block2(v7: i32):
        v8 = iadd v4, v7
        v9 = iconst.i32 8
        v10 = iadd v8, v9
        v11 = uextend.i64 v10
        v12 = load.f64 v11+100
        v13 = iconst.i32 16
        v14 = iadd v7, v13
        v15 = iconst.i32 3200
        v16 = icmp ne v14, v15
        v17 = uextend.i32 v16
        brif v17, block2(v14), block3
    block3:
        v18 = iadd v4, v15
        v19 = iconst.i32 1
        v20 = iadd v5, v19
        v21 = iconst.i32 400
        v22 = icmp eq v20, v21
        brif v22, block4, block1(v18, v20)
    block4:
        return
}";

#[test]
fn rows_and_columns_are_counted() {
    let context = context(GEMM);
    let func = &context.func;
    let mut loops = Loops::new(&context);
    let [outer, inner] = loops.all.keys().collect::<Vec<_>>()[..] else {
        panic!("two loops");
    };
    assert_eq!(loops.all[inner].parent, Some(outer));
    assert_eq!(loops.all[inner].leaving, 1);
    assert_eq!(loops.all[outer].leaving, 1);
    let exit = loops.all[inner].exits[0];
    assert_eq!(exit.condition, IntCC::NotEqual);
    assert_eq!(exit.tested, value(func, "v14"));
    assert_eq!((exit.offset, exit.bound), (16, Bound::Constant(3200)));
    assert_eq!(loops.back_edges(func, inner), Some(199));
    assert_eq!(loops.back_edges(func, outer), Some(399));
    let row = value(func, "v4");
    assert_eq!(loops.recurrence(row).expect("one").step, 3200);
    let range = loops.range(func, row);
    assert_eq!((range.low, range.high), (0x139760, 0x139760 + 399 * 3200));
    assert!(loops.is_invariant(func, inner, row));
    assert!(!loops.is_invariant(func, outer, row));
    let sum = loops.affine(func, value(func, "v11"));
    let column = value(func, "v7");
    assert_eq!(sum.terms, [(row, 1), (column, 1)]);
    assert_eq!(sum.constant, 8);
}

/// A loop over bytes, and what it does for each pair of a start and a bound.
struct Bytes {
    start: Range,
    bound: Range,
    step: i8,
    condition: IntCC,
    /// Whether the sum is tested, or what it is made from.
    tests_new: bool,
    /// Whether the bound is a constant of the code.
    constant: bool,
}

impl Bytes {
    /// Start and bound come from a table that says no more than where they lie.
    fn text(&self) -> String {
        let within = |name: u32, argument: &str, range: Range| match range.low == range.high {
            true => format!("v{name} = iconst.i8 {}\n", range.low as i8),
            false => format!(
                "v{a} = iconst.i8 {}\nv{b} = iconst.i8 {}\nv{c} = umax {argument}, v{a}\n
                 v{name} = umin v{c}, v{b}\n",
                range.low as i8,
                range.high as i8,
                a = name + 1,
                b = name + 2,
                c = name + 3,
            ),
        };
        let tested = if self.tests_new { "v21" } else { "v20" };
        format!(
            "function %f(i8, i8) {{
            block0(v0: i8, v1: i8):
                {}{}
                v9 = iconst.i8 {}
                jump block1(v2)
            block1(v20: i8):
                v21 = iadd v20, v9
                v22 = icmp {} {tested}, v10
                brif v22, block1(v21), block2
            block2:
                return
            }}",
            within(2, "v0", self.start),
            within(10, "v1", self.bound),
            self.step,
            self.condition,
        )
    }

    /// How often it goes back, and the least and the greatest value in the header; `None` if it
    /// does not end.
    fn run(&self, start: u8, bound: u8) -> (Option<u64>, Range, bool) {
        let (mut at, mut count) = (start, 0);
        let mut seen = Range::constant(start.into());
        let mut wrapped = false;
        loop {
            let next = at.wrapping_add(self.step as u8);
            let tested = if self.tests_new { next } else { at };
            if !holds(self.condition, tested, bound) {
                return (Some(count), seen, wrapped);
            }
            wrapped |= i16::from(at) + i16::from(self.step) != i16::from(next);
            at = next;
            seen = seen.union(Range::constant(at.into()));
            count += 1;
            if count > 300 {
                return (None, seen, wrapped);
            }
        }
    }

    fn check(&self) -> (bool, bool) {
        let text = self.text();
        let context = context(&text);
        let func = &context.func;
        let mut loops = Loops::new(&context);
        let of = only(&loops);
        let param = Value::from_u32(20);
        let counted = loops.back_edges(func, of);
        let known = loops.recurrence_range(func, param);
        for start in self.start.low..=self.start.high {
            for bound in self.bound.low..=self.bound.high {
                let (count, seen, wrapped) = self.run(start as u8, bound as u8);
                let what = format!("{text} from {start} to {bound}: {counted:?} {known:?}");
                if let Some(counted) = counted {
                    let count = count.expect(&what);
                    assert!(count <= counted, "{what}, really {count}");
                    let exactly = self.constant && self.start.low == self.start.high;
                    assert!(!exactly || count == counted || self.condition == IntCC::Equal);
                }
                if let Some(known) = known {
                    assert!(!wrapped, "{what} wraps");
                    assert!(
                        known.low <= seen.low && seen.high <= known.high,
                        "{what}, {seen:?}"
                    );
                }
            }
        }
        (counted.is_some(), known.is_some())
    }
}

fn holds(condition: IntCC, left: u8, right: u8) -> bool {
    let signed = (left as i8, right as i8);
    match condition {
        IntCC::Equal => left == right,
        IntCC::NotEqual => left != right,
        IntCC::SignedLessThan => signed.0 < signed.1,
        IntCC::SignedGreaterThanOrEqual => signed.0 >= signed.1,
        IntCC::SignedGreaterThan => signed.0 > signed.1,
        IntCC::SignedLessThanOrEqual => signed.0 <= signed.1,
        IntCC::UnsignedLessThan => left < right,
        IntCC::UnsignedGreaterThanOrEqual => left >= right,
        IntCC::UnsignedGreaterThan => left > right,
        IntCC::UnsignedLessThanOrEqual => left <= right,
    }
}

const EDGES: [u64; 7] = [0, 1, 2, 127, 128, 254, 255];

/// All ways to loop over bytes near the places where something wraps. What the analysis says is
/// true of each, and it says something of many.
#[test]
fn bytes_do_what_is_said_of_them() {
    let (mut all, mut counted, mut known) = (0, 0, 0);
    let one = |at: &u64| Range::constant(*at);
    let mut ranges: Vec<Range> = EDGES.iter().map(one).collect();
    let range = |low, high| Range { low, high };
    ranges.extend([range(0, 3), range(1, 9), range(0, 127), range(0, 255)]);
    ranges.push(range(250, 255));
    for condition in IntCC::all() {
        for step in [1, 3, 16, -1, -2, -128] {
            for tests_new in [false, true] {
                for &start in &ranges {
                    for &bound in &ranges {
                        let constant = bound.low == bound.high;
                        let bytes = Bytes {
                            start,
                            bound,
                            step,
                            condition: *condition,
                            tests_new,
                            constant,
                        };
                        let said = bytes.check();
                        all += 1;
                        counted += u32::from(said.0);
                        known += u32::from(said.1);
                    }
                }
            }
        }
    }
    assert!(
        counted * 3 > all && known * 4 > all,
        "{counted} and {known} of {all}"
    );
}

type Case = (&'static str, bool, fn(i64, i64) -> i64);

/// Each expression of two bytes, one of them from 0 to 20, and whether its sum is found.
#[test]
fn sums_of_bytes_are_what_they_are() {
    let cases: &[Case] = &[
        ("v6 = iadd v3, v4", true, |a, b| a + b),
        ("v6 = iadd v3, v1", false, |a, b| a + b),
        // 100 + 20 * 10 may wrap; 20 * 10 does not.
        (
            "v5 = imul_imm v3, 10\nv6 = iadd_imm v5, 100",
            false,
            |a, _| a * 10 + 100,
        ),
        ("v5 = imul_imm v3, 10\nv6 = iadd_imm v5, 0", true, |a, _| {
            a * 10
        }),
        // A negative constant: at least 5.
        ("v5 = iadd_imm v3, 5\nv6 = iadd_imm v5, -5", true, |a, _| a),
        (
            "v5 = iadd_imm v3, 5\nv6 = iadd_imm v5, -6",
            false,
            |a, _| a - 1,
        ),
        // Wraps on the way, and always comes back.
        (
            "v5 = iadd_imm v3, -21\nv6 = iadd_imm v5, 21",
            true,
            |a, _| a,
        ),
        // Always wraps.
        ("v5 = iadd_imm v3, -21\nv6 = iadd v5, v4", false, |a, b| {
            a - 21 + b
        }),
        ("v6 = iadd_imm v3, -30", true, |a, _| a - 30),
        ("v5 = ishl_imm v3, 3\nv6 = iadd v5, v4", true, |a, b| {
            a * 8 + b
        }),
        ("v5 = ishl_imm v3, 4\nv6 = iadd v5, v4", false, |a, b| {
            a * 16 + b
        }),
        ("v5 = isub v3, v4\nv6 = iadd_imm v5, 21", true, |a, b| {
            a - b + 21
        }),
    ];
    for (code, found, what) in cases {
        let (constants, code) = expanded(code);
        let text = format!(
            "function %f(i8, i8) -> i8 {{
            block0(v0: i8, v1: i8):
                v2 = iconst.i8 20
                v3 = umin v0, v2
                v4 = umin v1, v2
                {constants}{code}
                return v6
            }}"
        );
        let context = context(&text);
        let mut loops = Loops::new(&context);
        let sum = loops.affine(&context.func, Value::from_u32(6));
        assert_eq!(
            sum != Affine::just(Value::from_u32(6)),
            *found,
            "{text}{sum:?}"
        );
        if !found {
            continue;
        }
        for a in 0..=20 {
            for b in 0..=20 {
                let of = |value: u32| sum.factor(Value::from_u32(value));
                let says = of(3) * a + of(4) * b + sum.constant;
                assert_eq!(says, what(a, b) & 0xff, "{text} {sum:?} {a} {b}");
            }
        }
    }
}

/// `op_imm` as an operation with a constant.
fn expanded(code: &str) -> (String, String) {
    let (mut constants, mut lines) = (String::new(), String::new());
    for (number, line) in code.lines().enumerate() {
        match line.split_once("_imm ") {
            Some((left, right)) => {
                let (value, constant) = right.split_once(", ").expect("two operands");
                let name = 50 + number;
                constants += &format!("v{name} = iconst.i8 {constant}\n");
                lines += &format!("{left} {value}, v{name}\n");
            }
            None => lines += &format!("{line}\n"),
        }
    }
    (constants, lines)
}

/// An access does not say that the loop ends, nor a trap; a bound that the loop changes is none.
#[test]
fn what_the_loop_changes_is_no_bound() {
    let context = context(
        "function %f(i32, i32) {
        block0(v0: i32, v1: i32):
            jump block1(v0, v1)
        block1(v2: i32, v3: i32):
            v4 = iconst.i32 1
            v5 = iadd v2, v4
            v6 = isub v3, v4
            v7 = icmp ult v5, v6
            brif v7, block1(v5, v6), block2
        block2:
            return
        }",
    );
    let mut loops = Loops::new(&context);
    let of = only(&loops);
    assert!(loops.all[of].exits.is_empty());
    assert_eq!(loops.back_edges(&context.func, of), None);
    assert_eq!(
        loops.recurrence_range(&context.func, Value::from_u32(2)),
        None
    );
}

/// A test that not every round passes counts nothing.
#[test]
fn a_test_that_is_passed_by_is_no_exit() {
    let context = context(
        "function %f(i32) {
        block0(v0: i32):
            v1 = iconst.i32 0
            jump block1(v1)
        block1(v2: i32):
            v3 = iconst.i32 1
            v4 = iadd v2, v3
            brif v0, block2, block3
        block2:
            v5 = iconst.i32 10
            v6 = icmp ult v4, v5
            brif v6, block3, block4
        block3:
            jump block1(v4)
        block4:
            return
        }",
    );
    let mut loops = Loops::new(&context);
    let of = only(&loops);
    assert_eq!(loops.all[of].leaving, 1);
    assert_eq!(loops.back_edges(&context.func, of), None);
}

/// A pointer that runs up to the same pointer plus a constant, through the end of the type.
#[test]
fn a_pointer_and_its_end() {
    for (step, end, count) in [
        (8, 3200, Some(399)),
        (8, 3201, None),
        (-8, 3200, Some(0x1fff_fe6f)),
    ] {
        let context = context(&format!(
            "function %f(i32) {{
            block0(v0: i32):
                v1 = iconst.i32 {end}
                v2 = iadd v0, v1
                jump block1(v0)
            block1(v3: i32):
                v4 = iconst.i32 {step}
                v5 = iadd v3, v4
                v6 = icmp ne v2, v5
                brif v6, block1(v5), block2
            block2:
                return
            }}"
        ));
        let mut loops = Loops::new(&context);
        let of = only(&loops);
        assert_eq!(loops.back_edges(&context.func, of), count);
        assert_eq!(
            loops.recurrence_range(&context.func, Value::from_u32(3)),
            None
        );
    }
}
