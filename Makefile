# SPDX-License-Identifier: MIT
# The commands that people type. What they do lives in tools/ and meson.build.
#   make run [PORT=8080] [DATA=florin-data]   installs what is missing, builds, starts the server
PORT = 8080
DATA = florin-data

.PHONY: run build build-tuned test test-faults bench bench-postgres bench-large bench-queue \
	bench-rules bench-encrypted bench-shards bench-move clean
.DEFAULT_GOAL := build

run: build
	@exec build/florin serve --data "$(DATA)" --listen "127.0.0.1:$(PORT)"

# Once there is a tuned build, that is what runs.
build:
	@tools/install.sh build
	@if [ -f build/tuned/trained ]; then tools/build.sh tuned; else tools/build.sh release; fi

# Builds twice, and plays a rush of payments in between, so that the compiler knows what is busy.
build-tuned:
	@tools/install.sh build
	@tools/build.sh tuned

test:
	@tools/test.sh

# Every fault of database and queue again and again, each time with another seed: TIMES=10, and
# SUITES=kafka for those alone.
TIMES = 5
SUITES =
test-faults:
	@tools/install.sh build test
	@tools/build.sh release
	@FLORIN=$(CURDIR)/build/florin tools/repeat_faults.py $(TIMES) $(SUITES)

bench: build-tuned
	@tools/install.sh build test
	@bench/run.sh

clean:
	rm -rf build

bench-queue:
	@tools/install.sh build test
	@tools/build.sh release
	@FLORIN=$(CURDIR)/build/florin bench/queued.py --brokers 1
	@FLORIN=$(CURDIR)/build/florin bench/queued.py --brokers 3

bench-rules:
	@tools/install.sh build test
	@tools/build.sh release src/programs/florin bench/single_load bench/batch_load
	@python3 bench/rules.py

bench-encrypted:
	@tools/install.sh build test
	@tools/build.sh release
	@FLORIN=$(CURDIR)/build/florin bench/encrypted.py

bench-shards:
	@tools/install.sh build test
	@tools/build.sh release src/programs/florin bench/single_load
	@python3 bench/shards.py

# A slot with a million transactions, or MOVE="--transactions N".
bench-move:
	@tools/install.sh build test
	@tools/build.sh release src/programs/florin bench/single_load bench/batch_load
	@python3 bench/move_slot.py $(MOVE)

# Tuned, as for `make bench`, and so is what it is compared with.
bench-postgres:
	@tools/install.sh build test
	@tools/build.sh tuned src/programs/florin bench/naive_serve
	@tools/build.sh release bench/micro_batch bench/single_load bench/batch_load
	@python3 bench/postgres.py

# Some 80 gigabytes and an hour or more; asks first. LARGE="--wallets N --transactions N ...".
bench-large:
	@tools/install.sh build test
	@tools/build.sh release src/programs/florin bench/single_load bench/batch_load
	@bench/large.py $(LARGE)
