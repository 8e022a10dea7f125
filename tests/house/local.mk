# The tree keeps its own rules.
house_tests = tests/house/test-no-include-runs-upward.py \
	tests/house/test-globals-name-their-room.py \
	tests/house/test-command-options-are-in-the-manual.py \
	tests/house/test-manuals-render.sh
TESTS += $(house_tests)
EXTRA_DIST += $(house_tests) tests/house/rooms.py
