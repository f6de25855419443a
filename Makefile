# SPDX-License-Identifier: MIT
# The commands that people type. What they do lives in tools/ and meson.build.
#   make run [PORT=8080] [DATA=florin-data]   installs what is missing, builds, starts the server
PORT = 8080
DATA = florin-data

.PHONY: run build test test-faults bench bench-postgres bench-large bench-queue bench-rules \
	bench-encrypted clean
.DEFAULT_GOAL := build

run: build
	@exec build/florin serve --data "$(DATA)" --listen "127.0.0.1:$(PORT)"

build:
	@tools/install.sh build
	@tools/build.sh release

test:
	@tools/test.sh

# Every fault of the database again and again, each time with another seed: TIMES=10.
TIMES = 5
test-faults:
	@tools/install.sh build test
	@tools/build.sh release
	@FLORIN=$(CURDIR)/build/florin tools/repeat_faults.py $(TIMES)

bench:
	@tools/install.sh build test
	@tools/build.sh release
	@bench/run.sh

clean:
	rm -rf build

bench-queue:
	@tools/install.sh build test
	@tools/build.sh release
	@FLORIN=$(CURDIR)/build/florin bench/queued.py

bench-rules:
	@tools/install.sh build test
	@tools/build.sh release src/programs/florin bench/single_load bench/batch_load
	@python3 bench/rules.py

bench-encrypted:
	@tools/install.sh build test
	@tools/build.sh release
	@FLORIN=$(CURDIR)/build/florin bench/encrypted.py

bench-postgres:
	@tools/install.sh build test
	@tools/build.sh release src/programs/florin bench/naive_serve bench/micro_batch bench/single_load \
		bench/batch_load
	@python3 bench/postgres.py

# Some hundred gigabytes and an hour or more; asks first. LARGE="--wallets N --transactions N ...".
bench-large:
	@tools/install.sh build test
	@tools/build.sh release src/programs/florin bench/single_load bench/batch_load
	@bench/large.py $(LARGE)
