# warehouse.pg
