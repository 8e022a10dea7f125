# The gate as a server on the open internet: TLS, sockets, proxies, limits.
HTTP_TESTS = \
	tests/http/test-every-refusal-is-kept.py \
	tests/http/test-behind-nginx.py \
	tests/http/test-flood-slows-nobody.py \
	tests/http/test-idle-connections-do-not-disturb.py \
	tests/http/test-sdk-over-https.py \
	tests/http/test-tls-by-the-manual.py \
	tests/http/test-tls-reloads-while-it-serves.py
EXTRA_DIST += $(HTTP_TESTS) tests/lib/gate.py
TESTS += $(HTTP_TESTS)
