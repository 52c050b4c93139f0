// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Reads an object back for people.
