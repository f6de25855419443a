# SPDX-License-Identifier: MIT
# The commands that people type. What they do lives in tools/ and meson.build.
#   make run [PORT=8080] [DATA=florin-data]   installs what is missing, builds, starts the server
PORT = 8080
DATA = florin-data

.PHONY: run build test bench bench-postgres clean
.DEFAULT_GOAL := build

run: build
	@exec build/florin serve --data "$(DATA)" --listen "127.0.0.1:$(PORT)"

build:
	@tools/install.sh build
	@tools/build.sh release

test:
	@tools/test.sh

bench:
	@tools/install.sh build test
	@tools/build.sh release
	@bench/run.sh

clean:
	rm -rf build

bench-postgres:
	@tools/install.sh build test
	@tools/build.sh release src/programs/florin bench/naive_serve bench/micro_batch bench/single_load \
		bench/batch_load
	@python3 bench/postgres.py
