// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Builds seL4 images and boots them.
