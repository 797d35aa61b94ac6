-- What kinds there are stands in workers/ledger/kinds.py, the only place that writes them here. A
-- list of them in a constraint would have to be replaced with every new one, under a lock.
ALTER TABLE freshness DROP CONSTRAINT freshness_kind_check;
