# How runsafe is tested: make check, check-native, check-unit, vm, lint, asan.
