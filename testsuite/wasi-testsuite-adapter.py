# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""wasm-aot as a runtime of the official WASI testsuite's own runner:

    run-tests --runtime-adapter .../testsuite/wasi-testsuite-adapter.py

The command is `wasm-aot`, or what the variable WASM_AOT says, options included (`wasm-aot run
--on sel4`).
"""

import os
import shlex
import subprocess
from typing import Dict, List, Optional, Tuple

WASM_AOT = shlex.split(os.getenv("WASM_AOT", "wasm-aot"))


def get_name() -> str:
    return "wasm-aot"


def get_version() -> str:
    result = subprocess.run(WASM_AOT[:1] + ["--version"], encoding="UTF-8",
                            capture_output=True, check=True)
    return result.stdout.split()[1]


def get_wasi_versions() -> List[str]:
    return ["wasm32-wasip1"]


def get_wasi_worlds() -> List[str]:
    return ["wasi:cli/command"]


def compute_argv(test_path: str,
                 args_env_root: Tuple[List[str], Dict[str, str], Optional[str]],
                 proposals: List[str],
                 wasi_world: str,
                 wasi_version: str) -> List[str]:
    args, env, root = args_env_root
    argv = WASM_AOT if "run" in WASM_AOT else WASM_AOT + ["run"]
    argv = argv + [f"--env={name}={value}" for name, value in env.items()]
    if root:
        argv.append(f"--dir={root}::/")
    return argv + [test_path] + args
