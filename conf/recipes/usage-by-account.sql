-- Usage per account, out of the rows that usage-by-account.conf writes.  May be
-- run again.  Change the columns as you have changed those of the config.

-- Always up to date; reads all rows each time.  The account's name and plan
-- are those of its newest row.
create or replace view events.usage_by_account as
select account_id,
       (array_agg(account order by received_at desc, event_id desc))[1] as account,
       (array_agg(account_plan order by received_at desc, event_id desc))[1] as plan,
       sum(count) as uses,
       count(distinct user_id) as users,
       count(distinct feature) as features,
       max(received_at) as last_used
  from events.feature_used
 group by account_id;

-- By day and feature, for dashboards over many rows: as of the last
--   refresh materialized view concurrently events.usage_by_account_daily;
-- which cron or pg_cron may run every few minutes; nobody who reads waits.
create materialized view if not exists events.usage_by_account_daily as
select (received_at at time zone 'UTC')::date as day,
       coalesce(account_id, '') as account_id,
       feature,
       sum(count) as uses,
       count(distinct user_id) as users
  from events.feature_used
 group by 1, 2, 3;

-- What "concurrently" needs.
create unique index if not exists usage_by_account_daily_key
    on events.usage_by_account_daily (day, account_id, feature);
