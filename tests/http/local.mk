# The gate as a server on the open internet: TLS, sockets, proxies, limits.
HTTP_TESTS = \
	tests/http/test-every-refusal-is-kept.py \
	tests/http/test-behind-nginx.py \
	tests/http/test-few-files-are-enough.py \
	tests/http/test-flood-slows-nobody.py \
	tests/http/test-heads-as-node-reads-them.py \
	tests/http/test-idle-connections-do-not-disturb.py \
	tests/http/test-sdk-over-https.py \
	tests/http/test-tls-by-the-manual.py \
	tests/http/test-tls-in-any-pieces.py \
	tests/http/test-tls-reloads-while-it-serves.py
EXTRA_DIST += $(HTTP_TESTS) tests/http/read-heads.mjs tests/lib/gate.py
TESTS += $(HTTP_TESTS)

check_PROGRAMS += tests/http/read-heads
tests_http_read_heads_SOURCES = tests/http/read-heads.c
tests_http_read_heads_CPPFLAGS = $(core_libcore_a_CPPFLAGS)
tests_http_read_heads_LDADD = $(CORE_LIBS)
