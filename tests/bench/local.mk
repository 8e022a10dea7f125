# Speed and memory: never part of `make check`.  `make bench`, with CASE="w1a
# gate" for some; `make bench-scale`, cost as things grow; `make bench-beside`,
# what a lane costs beside others; `make bench-mirror`, entities out of a database; RESULTS=1 to write
# RESULTS.md (and the picture).  BENCHFLAGS="--events 50000 --rounds 1" for a
# quick look.
EXTRA_PROGRAMS += tests/bench/bare tests/bench/gen tests/bench/receive \
	tests/bench/send
tests_bench_bare_SOURCES = tests/bench/bare.c
tests_bench_bare_CPPFLAGS =
tests_bench_receive_SOURCES = tests/bench/receive.c
tests_bench_receive_CPPFLAGS =
tests_bench_gen_SOURCES = tests/bench/gen.c tests/bench/w1.c tests/bench/w1.h
tests_bench_gen_CPPFLAGS =
tests_bench_send_SOURCES = tests/bench/send.c tests/bench/w1.c tests/bench/w1.h
tests_bench_send_CPPFLAGS =
CLEANFILES += tests/bench/bare tests/bench/gen tests/bench/receive \
	tests/bench/send
BENCH_TOOLS = tests/bench/bare tests/bench/gen tests/bench/receive \
	tests/bench/send \
	tests/bench/bench-entity tests/bench/bench-idem tests/bench/bench-json \
	tests/bench/bench-lane
EXTRA_DIST += tests/bench/RESULTS.md tests/bench/beside.py tests/bench/bench.py \
	tests/bench/cases.py \
	tests/bench/chart.py tests/bench/deliver.py tests/bench/measure.py \
	tests/bench/mirror.py tests/bench/peers.py \
	tests/bench/results.py tests/bench/results.svg tests/bench/rig.py \
	tests/bench/scale.json tests/bench/scale.py
BENCH_RUN = $(AM_TESTS_ENVIRONMENT) python3 $(srcdir)/tests/bench

bench: all $(BENCH_TOOLS)
	$(BENCH_RUN)/bench.py --case '$(CASE)' $(BENCHFLAGS) \
	    $(if $(RESULTS),--results $(srcdir)/tests/bench/RESULTS.md)
bench-scale: all $(BENCH_TOOLS) tests/destination.null.la
	$(BENCH_RUN)/scale.py --case '$(CASE)' $(BENCHFLAGS) \
	    $(if $(RESULTS),--results $(srcdir)/tests/bench)
bench-beside: all $(BENCH_TOOLS)
	$(BENCH_RUN)/beside.py --case '$(CASE)' $(BENCHFLAGS)
bench-mirror: all
	$(BENCH_RUN)/mirror.py $(BENCHFLAGS)
.PHONY: bench bench-scale bench-beside bench-mirror

# What the codec costs by itself.
EXTRA_PROGRAMS += tests/bench/bench-json
CLEANFILES += tests/bench/bench-json
tests_bench_bench_json_SOURCES = tests/bench/bench-json.c
tests_bench_bench_json_LDADD = core/libcore.a

bench-json: tests/bench/bench-json
	./tests/bench/bench-json
.PHONY: bench-json

EXTRA_PROGRAMS += tests/bench/bench-expr
tests_bench_bench_expr_SOURCES = tests/bench/bench-expr.c \
	tests/unit/event_fixture.h
tests_bench_bench_expr_CPPFLAGS = $(core_libcore_a_CPPFLAGS)
tests_bench_bench_expr_LDADD = $(CORE_LIBS)
CLEANFILES += tests/bench/bench-expr

# What a lane costs by itself.
EXTRA_PROGRAMS += tests/bench/bench-lane
CLEANFILES += tests/bench/bench-lane
tests_bench_bench_lane_SOURCES = tests/bench/bench-lane.c \
	tests/bench/scratch.c tests/bench/scratch.h tests/bench/w1.c \
	tests/bench/w1.h
tests_bench_bench_lane_CPPFLAGS = $(core_libcore_a_CPPFLAGS)
tests_bench_bench_lane_LDADD = $(CORE_LIBS)
bench-lane: tests/bench/bench-lane
	./tests/bench/bench-lane
.PHONY: bench-lane
EXTRA_PROGRAMS += tests/bench/bench-entity
tests_bench_bench_entity_SOURCES = tests/bench/bench-entity.c \
	tests/bench/scratch.c tests/bench/scratch.h
tests_bench_bench_entity_CPPFLAGS = $(core_libcore_a_CPPFLAGS)
tests_bench_bench_entity_LDADD = $(CORE_LIBS)
CLEANFILES += tests/bench/bench-entity

# What a key in the idempotency index costs, as it fills.
EXTRA_PROGRAMS += tests/bench/bench-idem
CLEANFILES += tests/bench/bench-idem
tests_bench_bench_idem_SOURCES = tests/bench/bench-idem.c \
	tests/bench/scratch.c tests/bench/scratch.h
tests_bench_bench_idem_CPPFLAGS = $(core_libcore_a_CPPFLAGS)
tests_bench_bench_idem_LDADD = $(CORE_LIBS)

# Instructions of the hot paths, compared with tests/bench/counts.txt.  Built
# by `make check`, so that it follows what it measures.
EXTRA_DIST += tests/bench/bench-count.py tests/bench/counts.txt
if PLUGIN_WAREHOUSE_PG
check_PROGRAMS += tests/bench/bench-count
tests_bench_bench_count_SOURCES = tests/bench/bench-count.c \
	tests/bench/scratch.c tests/bench/scratch.h \
	tests/bench/w1.c tests/bench/w1.h \
	plugins/warehouse.pg/decimal.c plugins/warehouse.pg/encode.c \
	plugins/warehouse.pg/encode_field.c \
	plugins/warehouse.pg/fold.c plugins/warehouse.pg/partition_row.c \
	plugins/warehouse.pg/put_numeric.c plugins/warehouse.pg/put_scalar.c \
	plugins/warehouse.pg/put_record.c plugins/warehouse.pg/put_text.c \
	plugins/warehouse.pg/put_time.c
tests_bench_bench_count_CPPFLAGS = $(core_libcore_a_CPPFLAGS) $(PQ_CFLAGS)
tests_bench_bench_count_LDADD = $(CORE_LIBS)
bench-count: tests/bench/bench-count
	IL_BUILDDIR='$(abs_top_builddir)' IL_CFLAGS='$(CFLAGS) $(IL_HARDEN_CFLAGS)' \
	    python3 $(srcdir)/tests/bench/bench-count.py $(COUNT)
endif
.PHONY: bench-count
