# backbones: `make` builds the program and the library; `make help` lists the targets.
# Needs gcc (9 or newer) or clang, and GNU make. Variables: CC, BUILD (output folder), PREFIX, SANITIZE, EXTRA_CFLAGS.

CC ?= gcc
OBJCOPY ?= objcopy
BUILD ?= build
PREFIX ?= /usr/local
OPTIMIZE ?= -O2 -g
WARNINGS = -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes -Wmissing-prototypes \
           -Wpointer-arith -Wwrite-strings -Wvla -Wundef
# -ffp-contract=off: the same sums on every compiler; kernels ask for fused multiply-adds by name.
BASE_FLAGS = -std=c11 -D_GNU_SOURCE -I. -fvisibility=hidden -fPIC -ffp-contract=off -fno-math-errno -pthread -MMD -MP
SANITIZE ?=
CFLAGS_ALL = $(BASE_FLAGS) $(OPTIMIZE) $(WARNINGS) $(SANITIZE) $(ISA_DEFINES) $(EXTRA_CFLAGS)
LDLIBS = -lm -pthread

# ---- instruction sets: every file in a folder simd is compiled once for each of these --------------------------------
TARGET_MACHINE := $(shell $(CC) -dumpmachine)
ifneq (,$(findstring x86_64,$(TARGET_MACHINE)))
ISAS = avx512 avx2 plain
else ifneq (,$(findstring aarch64,$(TARGET_MACHINE)))
ISAS = neon plain
else
ISAS = plain
endif
ISA_FLAGS_avx512 = -mavx512f -mavx512vl -mavx512dq -mavx512bw -mfma -mprefer-vector-width=512
ISA_FLAGS_avx2 = -mavx2 -mfma
ISA_FLAGS_neon =
ISA_FLAGS_plain =
SIMD_SOURCES = $(wildcard kernels/simd/*.c images/simd/*.c)
# A compiler that knows AVX-512's products of bfloat16 pairs (gcc 10) compiles their tile once more.
ifneq (,$(findstring avx512,$(ISAS)))
BF16_PAIRS := $(shell echo | $(CC) -mavx512bf16 -E - >/dev/null 2>&1 && echo $(BUILD)/kernels/simd/gemm_bf16_pairs.o)
# One that knows AMX (gcc 11) compiles its own tile.
AMX := $(if $(BF16_PAIRS),$(shell echo | $(CC) -mamx-tile -mamx-bf16 -E - >/dev/null 2>&1 && echo $(BUILD)/kernels/amx/gemm.o))
endif

LIBRARY_SOURCES = $(wildcard kernels/*.c kernels/reference/*.c weights-tools/*.c models/*.c images/*.c evaluate/*.c bench/*.c)
TEST_SOURCES = $(wildcard tests/*.c tests/cuda/*.c)

# `make cuda` comes back here with CUDA=1: then a back end for NVIDIA GPUs is part of the library. The CUDA runtime is linked
# statically and loads the driver itself when a GPU is asked for, so the program also starts where there is none.
ifdef CUDA
NVCC ?= $(or $(shell command -v nvcc),/usr/local/cuda/bin/nvcc)
CUDA_HOME ?= $(patsubst %/bin/nvcc,%,$(realpath $(NVCC)))
# Code for compute capability 7.0 to 9.0, as far as the toolkit has it, and PTX of the last for those to come.
CUDA_CAPABILITIES ?= $(filter 70 72 75 80 86 87 88 89 90,$(patsubst compute_%,%,$(shell $(NVCC) --list-gpu-arch)))
NVCC_FLAGS = -std=c++17 -I. -O3 -Werror all-warnings -Wno-deprecated-gpu-targets \
             -Xcompiler -Wall,-Wextra,-fPIC,-fvisibility=hidden,-fno-exceptions \
             $(foreach c,$(CUDA_CAPABILITIES),-gencode arch=compute_$(c),code=sm_$(c)) \
             -gencode arch=compute_$(lastword $(CUDA_CAPABILITIES)),code=compute_$(lastword $(CUDA_CAPABILITIES))
CUDA_OBJECTS = $(patsubst %.cu,$(BUILD)/%.o,$(wildcard kernels/cuda/*.cu))
LIBRARY_SOURCES += $(wildcard models/cuda/*.c)
BASE_FLAGS += -DHAVE_CUDA
LDLIBS += -L$(firstword $(wildcard $(CUDA_HOME)/lib64 $(CUDA_HOME)/targets/x86_64-linux/lib)) -lcudart_static -l:libsupc++.a -ldl -lrt
$(BUILD)/%.o: %.cu $(wildcard kernels/cuda/*.h) kernels/kernels.h kernels/error.h
	@mkdir -p $(@D)
	@echo "nvcc $<"
	@$(NVCC) $(NVCC_FLAGS) $(if $(filter tests/%,$<),-DTESTS_ON_GPU) -c -o $@ $<
# The tests of tests/cuda on a real GPU instead of the simulated machine.
GPU_TEST_OBJECTS = $(patsubst %,$(BUILD)/on-gpu/%.o,kernel_check test_products test_rows test_attention test_cuda_models) \
                   $(BUILD)/tests/cuda/on_gpu.o $(BUILD)/tests/harness.o
$(BUILD)/on-gpu/%.o: tests/cuda/%.c
	@mkdir -p $(@D)
	@echo "cc   $< (on a GPU)"
	@$(CC) $(CFLAGS_ALL) -Wno-missing-prototypes -DTESTS_ON_GPU -c -o $@ $<
endif

objects = $(patsubst %.c,$(BUILD)/%.o,$(1))
SIMD_OBJECTS = $(foreach isa,$(ISAS),$(patsubst %.c,$(BUILD)/%_$(isa).o,$(SIMD_SOURCES))) $(BF16_PAIRS) $(AMX)
LIBRARY_OBJECTS = $(call objects,$(LIBRARY_SOURCES)) $(SIMD_OBJECTS) $(CUDA_OBJECTS)
# The kernels for GPUs as C for the simulated machine that the tests run them on, and what runs a plan by them.
SIMULATED_SOURCES = $(filter-out kernels/cuda/device.cu,$(wildcard kernels/cuda/*.cu))
SIMULATED_OBJECTS = $(patsubst %.cu,$(BUILD)/simulated/%.o,$(SIMULATED_SOURCES)) \
                    $(call objects,$(wildcard models/cuda/*.c))
TEST_OBJECTS = $(call objects,$(TEST_SOURCES)) $(SIMULATED_OBJECTS)

.PHONY: all
all: $(BUILD)/backbones $(BUILD)/libbackbones.a

$(BUILD)/backbones: $(BUILD)/backbones.o $(LIBRARY_OBJECTS)
	@echo "link $@"
	@$(CC) $(SANITIZE) -o $@ $^ $(LDLIBS)

# One object in which only the functions of backbones.h are visible, so that no internal name can clash with a user's.
$(BUILD)/libbackbones.a: $(LIBRARY_OBJECTS)
	@rm -f $@
	@echo "archive $@"
	@$(LD) -r -o $(BUILD)/libbackbones.o $^
	@$(OBJCOPY) --localize-hidden $(BUILD)/libbackbones.o
	@$(AR) rcs $@ $(BUILD)/libbackbones.o

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	@echo "cc   $<"
	@$(CC) $(CFLAGS_ALL) -c -o $@ $<

# Pixel and kernel loops are worth vectorising at -O3.
$(BUILD)/images/%.o: OPTIMIZE := -O3 -g
$(BUILD)/kernels/simd/%.o: OPTIMIZE := -O3 -g
# Words of 16 and 32 bits wrap around there by design.
$(BUILD)/images/simd/%.o: BASE_FLAGS += -fwrapv
define simd_rule
$(BUILD)/$(2)/simd/%_$(1).o: $(2)/simd/%.c
	@mkdir -p $$(@D)
	@echo "cc   $$< ($(1))"
	@$$(CC) $$(CFLAGS_ALL) $$(ISA_FLAGS_$(1)) -DISA=$(1) -DISA_$(1)=1 -c -o $$@ $$<
endef
$(foreach isa,$(ISAS),$(foreach folder,kernels images,$(eval $(call simd_rule,$(isa),$(folder)))))
$(BUILD)/kernels/simd/gemm_bf16_pairs.o: kernels/simd/gemm_bf16.c
	@mkdir -p $(@D)
	@echo "cc   $< (avx512, pairs)"
	@$(CC) $(CFLAGS_ALL) $(ISA_FLAGS_avx512) -mavx512bf16 -DISA=avx512 -DISA_avx512=1 -DBF16_PAIRS=1 -c -o $@ $<
AMX_FLAGS = $(ISA_FLAGS_avx512) -mavx512bf16 -mamx-tile -mamx-bf16 -DISA=avx512 -DISA_avx512=1
$(BUILD)/kernels/amx/%.o: kernels/amx/%.c
	@mkdir -p $(@D)
	@echo "cc   $<"
	@$(CC) $(CFLAGS_ALL) $(AMX_FLAGS) -c -o $@ $<
$(BUILD)/kernels/simd/table_avx512.o: ISA_DEFINES = $(if $(BF16_PAIRS),-DHAVE_avx512_pairs=1) $(if $(AMX),-DHAVE_amx=1)
$(BUILD)/kernels/kernels.o $(BUILD)/images/pixel_kernels.o: ISA_DEFINES = $(foreach isa,$(ISAS),-DHAVE_$(isa)=1)

# The same program and library with CUDA, under build/cuda (needs nvcc 12 or newer, for
# which NVCC= says where it lies; the program itself starts and works without a GPU or a driver).
.PHONY: cuda
cuda:
	$(MAKE) BUILD=$(BUILD)/cuda CUDA=1 all

ifdef CUDA
$(BUILD)/test-cuda: $(GPU_TEST_OBJECTS) $(LIBRARY_OBJECTS)
	@echo "link $@"
	@$(CC) -o $@ $^ $(LDLIBS)
endif
# The CUDA kernels and models held against the CPU on a GPU, then under compute-sanitizer where the toolkit has it.
.PHONY: test-cuda
test-cuda:
	$(MAKE) BUILD=$(BUILD)/cuda CUDA=1 $(BUILD)/cuda/test-cuda
	$(BUILD)/cuda/test-cuda $(TESTS)
	@if command -v compute-sanitizer >/dev/null; then \
	  compute-sanitizer --tool memcheck --error-exitcode 1 $(BUILD)/cuda/test-cuda test_products test_rows test_attention && \
	  compute-sanitizer --tool racecheck --error-exitcode 1 $(BUILD)/cuda/test-cuda test_products test_rows test_attention; \
	else echo "compute-sanitizer: not found, left out"; fi

# ---- tests --------------------------------------------------------------------------------------------------------
$(BUILD)/run-tests: $(TEST_OBJECTS) $(LIBRARY_OBJECTS)
	@echo "link $@"
	@$(CC) $(SANITIZE) -o $@ $^ $(LDLIBS)
$(TEST_OBJECTS): WARNINGS += -Wno-missing-prototypes
$(BUILD)/tests/cuda/%.o: BASE_FLAGS += -include tests/cuda/machine.h
$(BUILD)/simulated/%.o: OPTIMIZE := -O3 -g
$(BUILD)/simulated/%.o: %.cu
	@mkdir -p $(@D)
	@echo "cc   $< (simulated)"
	@$(CC) $(CFLAGS_ALL) -include tests/cuda/machine.h -x c -c -o $@ $<

# The program itself with its CUDA back end on the simulated machine.
SIMULATED_MACHINE = $(patsubst %,$(BUILD)/tests/cuda/%.o,machine machine_device machine_tensor_core)
$(BUILD)/simulated/models/placement.o: models/placement.c
	@mkdir -p $(@D)
	@echo "cc   $< (simulated)"
	@$(CC) $(CFLAGS_ALL) -DHAVE_CUDA -c -o $@ $<
$(BUILD)/simulated/backbones: $(BUILD)/backbones.o $(BUILD)/simulated/models/placement.o $(SIMULATED_OBJECTS) \
                              $(SIMULATED_MACHINE) $(filter-out $(BUILD)/models/placement.o,$(LIBRARY_OBJECTS))
	@echo "link $@"
	@$(CC) $(SANITIZE) -o $@ $^ $(LDLIBS)
$(BUILD)/run-tests: | $(BUILD)/simulated/backbones

# All tests, or those whose name or file contains a word: make test TESTS="npy tar"
.PHONY: test
test: all $(BUILD)/run-tests
	$(BUILD)/run-tests --program $(BUILD)/backbones $(TESTS)

# The same tests of a build for arm64, by an emulator: NEON kernels where no such machine is at hand (needs Debian's
# gcc-aarch64-linux-gnu and qemu-user). SHARDS of them run at once. One of them installs the library and compiles a user's
# program: by the environment it does so for arm64 too, without this make's own variables.
NEON_PREFIX ?= aarch64-linux-gnu-
NEON_EMULATOR ?= qemu-aarch64 -L /usr/aarch64-linux-gnu
NEON_TOOLS = BUILD=$(BUILD)/neon CC=$(NEON_PREFIX)gcc LD=$(NEON_PREFIX)ld OBJCOPY=$(NEON_PREFIX)objcopy
SHARDS ?= 1
.PHONY: test-neon
test-neon:
	$(MAKE) $(NEON_TOOLS) all $(BUILD)/neon/run-tests
	MAKEFLAGS= $(NEON_TOOLS) tests/in_shards $(SHARDS) $(NEON_EMULATOR) $(BUILD)/neon/run-tests \
	  --program $(BUILD)/neon/backbones --emulator "$(NEON_EMULATOR)" $(TESTS)

# The same tests under the address and undefined-behaviour sanitizers.
SANITIZERS = -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
.PHONY: sanitize
sanitize:
	$(MAKE) BUILD=$(BUILD)/sanitize SANITIZE="$(SANITIZERS)" all $(BUILD)/sanitize/run-tests
	tests/in_shards $(SHARDS) $(BUILD)/sanitize/run-tests --program $(BUILD)/sanitize/backbones $(TESTS)

# Each parser's fuzz target for FUZZ_SECONDS (needs clang with libFuzzer). Corpora grow in build/fuzz/corpus. Reads of
# uninitialised memory: make fuzz FUZZ_SANITIZERS=memory BUILD=build/memory
FUZZ_SECONDS ?= 20
FUZZ_TARGETS = $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/*.c))
FUZZ_CC ?= clang
FUZZ_SANITIZERS ?= address,undefined
# Or by count: FUZZ_LIMIT="-runs=10000000 -max_len=400"
FUZZ_LIMIT ?= -max_total_time=$(FUZZ_SECONDS)
FUZZ_SOURCES = $(filter-out bench/%,$(LIBRARY_SOURCES))
FUZZ_FLAGS = -std=c11 -D_GNU_SOURCE -I. -g -O1 -fno-sanitize-recover=all
FUZZ_OBJECTS = $(patsubst %.c,$(BUILD)/fuzz/%.o,$(FUZZ_SOURCES)) \
               $(patsubst %.c,$(BUILD)/fuzz/%_plain.o,$(SIMD_SOURCES))
# The kernels' unrolled loops take minutes to compile with sanitizers, and no parser reaches them: `make sanitize` has them.
$(BUILD)/fuzz/kernels/simd/%_plain.o: kernels/simd/%.c
	@mkdir -p $(@D)
	@$(FUZZ_CC) $(FUZZ_FLAGS) -DISA=plain -DISA_plain=1 -c -o $@ $<
$(BUILD)/fuzz/images/simd/%_plain.o: images/simd/%.c
	@mkdir -p $(@D)
	@$(FUZZ_CC) $(FUZZ_FLAGS) -fwrapv -fsanitize=fuzzer-no-link,$(FUZZ_SANITIZERS) -DISA=plain -DISA_plain=1 -c -o $@ $<
$(BUILD)/fuzz/%.o: %.c
	@mkdir -p $(@D)
	@$(FUZZ_CC) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link,$(FUZZ_SANITIZERS) -c -o $@ $<
$(BUILD)/fuzz/bin/%: tests/fuzz/%.c $(FUZZ_OBJECTS)
	@mkdir -p $(@D)
	@$(FUZZ_CC) $(FUZZ_FLAGS) -fsanitize=fuzzer,$(FUZZ_SANITIZERS) -o $@ $^ $(LDLIBS)
.PHONY: fuzz $(FUZZ_TARGETS:%=fuzz-%)
fuzz: $(FUZZ_TARGETS:%=fuzz-%)
$(FUZZ_TARGETS:%=fuzz-%): fuzz-%: $(BUILD)/fuzz/bin/%
	@mkdir -p $(BUILD)/fuzz/corpus/$*
	@$(BUILD)/fuzz/bin/$* $(FUZZ_LIMIT) -timeout=10 -rss_limit_mb=2048 -verbosity=0 -print_final_stats=1 \
	  -artifact_prefix=$(BUILD)/fuzz/$*- $(BUILD)/fuzz/corpus/$* $(wildcard tests/fixtures/*/.) 2>$(BUILD)/fuzz/$*.log \
	  || { echo "$*:"; tail -40 $(BUILD)/fuzz/$*.log; exit 1; }
	@echo "$*:" $$(grep -E "number_of_executed_units|peak_rss" $(BUILD)/fuzz/$*.log)

# clang-format, cppcheck and clang-tidy over everything; each must be silent. What cppcheck takes for uninitialised or NULL is
# left to clang's analyzer, which follows the values.
SOURCES = $(wildcard *.c *.h */*.c */*.h kernels/*/*.c kernels/*/*.h images/*/*.c images/*/*.h tests/fuzz/*.c examples/*.c \
          kernels/cuda/*.cu tests/cuda/*.cu models/cuda/*.c models/cuda/*.h tests/cuda/*.c tests/cuda/*.h)
.PHONY: lint
lint:
	clang-format --dry-run --Werror $(SOURCES)
	cppcheck -j $$(nproc) --quiet --std=c11 --language=c --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
	  -I. -D_GNU_SOURCE -DISA=plain -DISA_plain=1 --suppress=missingIncludeSystem --suppress=uninitvar --suppress=invalidFunctionArg --suppress=internalAstError --suppress=nullPointer --suppress=ctunullpointer \
	  $(filter-out tests/%,$(filter %.c,$(SOURCES)))
	echo $(filter-out kernels/simd/% kernels/amx/% images/simd/% tests/%,$(filter %.c,$(SOURCES))) | xargs -n 8 -P $$(nproc) \
	  sh -c 'clang-tidy --quiet "$$@" -- -std=c11 -D_GNU_SOURCE -I. 2>/dev/null' _

# ---- using it -----------------------------------------------------------------------------------------------------
.PHONY: demo
demo: all
	@sh evaluate/demo/demo.sh $(BUILD)/backbones $(BUILD)/demo

# Every family, in the sizes that papers and the tables of other runtimes show; `backbones bench --list` has all names.
# (A dollar sign and a backslash at the end of a line join without a blank.)
BENCH_ARCH ?= resnet18,resnet34,resnet50,resnext50_32x4d,convnext_tiny,convnext_base,convnextv2_tiny,$\
vit_small_patch16_224,vit_base_patch16_224,vit_small_patch14_dinov2,vit_small_patch16_dinov3,$\
vit_base_patch16_clip_224,vit_base_patch32_clip_224,vit_base_patch16_siglip_224,resnet50_clip,$\
swin_tiny_patch4_window7_224,swinv2_tiny_window8_256
BENCH_SECONDS ?= 2
# The results of the run before are kept, and compared with.
.PHONY: bench
bench: all
	@before=; if [ -f $(BUILD)/bench.json ]; then \
	  cp $(BUILD)/bench.json $(BUILD)/bench-before.json; before="--against $(BUILD)/bench-before.json"; fi; \
	$(BUILD)/backbones bench --arch $(BENCH_ARCH) --batch 1,16 --seconds $(BENCH_SECONDS) \
	  --out $(BUILD)/bench.json $$before

ARCH ?= resnet50
.PHONY: profile
profile: all
	$(BUILD)/backbones profile --arch $(ARCH)

.PHONY: install
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/include \
	  $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 755 $(BUILD)/backbones $(DESTDIR)$(PREFIX)/bin/backbones
	install -m 644 $(BUILD)/libbackbones.a $(DESTDIR)$(PREFIX)/lib/libbackbones.a
	install -m 644 backbones.h $(DESTDIR)$(PREFIX)/include/backbones.h
	install -m 644 backbones.1 $(DESTDIR)$(PREFIX)/share/man/man1/backbones.1
	sed -e 's|@PREFIX@|$(PREFIX)|' -e "s|@VERSION@|$$(sed -n 's/#define BACKBONES_VERSION "\(.*\)"/\1/p' backbones.h)|" \
	  backbones.pc.in > $(DESTDIR)$(PREFIX)/lib/pkgconfig/backbones.pc

.PHONY: help
help:
	@echo "make            build/backbones and build/libbackbones.a"
	@echo "make demo       draw pictures, let five tiny backbones compete on them: a report in a minute"
	@echo "make test       all tests (TESTS=\"word ...\" for some)"
	@echo "make bench      throughput of every family, table and build/bench.json, compared with the run before"
	@echo "                (BENCH_ARCH=resnet50,... BENCH_SECONDS=2 for each row)"
	@echo "make profile    where the time goes (ARCH=resnet50)"
	@echo "make cuda       the program with --device cuda, under build/cuda (needs the CUDA toolkit, not a GPU)"
	@echo "make test-cuda  the kernels' and models' tests on a GPU, then under compute-sanitizer"
	@echo "make lint       clang-format, cppcheck, clang-tidy"
	@echo "make test-neon  the tests of a build for arm64, under qemu-user (SHARDS=2: two at once)"
	@echo "make sanitize   the tests under address and undefined-behaviour sanitizers"
	@echo "make fuzz       every parser's fuzz target (FUZZ_SECONDS=20 each)"
	@echo "make install    program, library, header, pkg-config file, man page (PREFIX=/usr/local, DESTDIR=)"

-include $(GPU_TEST_OBJECTS:.o=.d) $(BUILD)/simulated/models/placement.d $(LIBRARY_OBJECTS:.o=.d) $(TEST_OBJECTS:.o=.d) $(BUILD)/backbones.d

.PHONY: clean
clean:
	rm -rf $(BUILD)
