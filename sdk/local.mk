ilincludedir = $(includedir)/ingestlayer
ilinclude_HEADERS = sdk/plugin/ingestlayer/plugin.h
pkgconfigdir = $(libdir)/pkgconfig
pkgconfig_DATA = sdk/plugin/ingestlayer-plugin.pc
