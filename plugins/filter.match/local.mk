# filter.match
