// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Parses and evaluates an arithmetic expression, with Rust's standard library.

/// A recursive-descent evaluator over the characters that are left.
struct Parser<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
}

impl Parser<'_> {
    /// `product (("+" | "-") product)*`
    fn sum(&mut self) -> Result<i64, String> {
        let mut value = self.product()?;
        while let Some(&sign) = self.rest.peek().filter(|c| matches!(c, '+' | '-')) {
            self.rest.next();
            let right = self.product()?;
            value = if sign == '+' { value + right } else { value - right };
        }
        Ok(value)
    }

    /// `number ("*" number)*`
    fn product(&mut self) -> Result<i64, String> {
        let mut value = self.number()?;
        while self.rest.next_if_eq(&'*').is_some() {
            value *= self.number()?;
        }
        Ok(value)
    }

    fn number(&mut self) -> Result<i64, String> {
        let mut digits = String::new();
        while let Some(digit) = self.rest.next_if(char::is_ascii_digit) {
            digits.push(digit);
        }
        digits
            .parse()
            .map_err(|_| format!("a number was expected, found {:?}", self.rest.peek()))
    }
}

fn main() -> Result<(), String> {
    let expression = std::env::args().nth(1).unwrap_or_else(|| "1+2-3*4".to_owned());
    println!("hello, sel4");
    let mut parser = Parser { rest: expression.chars().peekable() };
    let value = parser.sum()?;
    match parser.rest.next() {
        None => println!("{expression} = {value}"),
        Some(extra) => return Err(format!("{extra:?} follows the expression")),
    }
    Ok(())
}
