# SPDX-License-Identifier: Apache-2.0
# The targets people call; Meson and Ninja do the work. See CONTRIBUTING.md.
.PHONY: all run check check-long lint tsan fuzz bench dist clean packages-%

all: packages-build
	@test -d build || meson setup build >/dev/null
	@ninja -C build --quiet

run: packages-build packages-run all
	@build/coffer up --demo

check: packages-run packages-check all
	@tools/check.py

check-long: packages-run packages-check packages-bench packages-long all
	@tools/check.py --long

lint: packages-check all
	@tools/lint.sh

tsan: packages-build
	@test -d build-tsan || meson setup build-tsan -Db_sanitize=thread -Db_lundef=false >/dev/null
	@ninja -C build-tsan --quiet && meson test -C build-tsan --suite unit --print-errorlogs

fuzz: packages-check
	@tools/fuzz.sh

bench: packages-run packages-check packages-long packages-bench
	@test -d build-bench || meson setup build-bench --buildtype=release >/dev/null
	@ninja -C build-bench --quiet
	@bench/run.sh build-bench

dist: all
	@meson dist -C build --no-tests

clean:
	rm -rf build build-*

packages-%:
	@tools/install-packages.sh $*
