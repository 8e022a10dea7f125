# enrich.entity
