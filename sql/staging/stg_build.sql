-- The day being built, its coverage, and the moment that "now" refers to.
-- kind: staging
-- grain: one row
-- key: snapshot_date
-- column: snapshot_date DATE | The day.
-- column: targets_complete BIGINT | Targets captured completely on that day.
-- column: targets_expected BIGINT | Targets expected on that day.
-- column: observed_at TIMESTAMP | When the day's last capture began, UTC; midnight for a simulated day.
-- column: display_timezone VARCHAR | Zone of the columns that end in _local.
-- check: targets_complete <= targets_expected
with captures as (
    select
        count(*) filter (coverage = 'complete' and is_expected) as targets_complete,
        count(*) filter (is_expected) as targets_expected,
        max(started_at) as started_at,
    from stg_captures
)
select
    build.snapshot_date,
    captures.targets_complete,
    captures.targets_expected,
    case
        -- Over all time zones, a day lasts from 14 hours before midnight UTC to 38 hours after it. A capture that began
        -- outside this range belongs to a simulated day.
        when captures.started_at
            between build.snapshot_date - interval 14 hour and build.snapshot_date + interval 38 hour
            then captures.started_at
        else cast(build.snapshot_date as timestamp)
    end as observed_at,
    build.display_timezone,
from tidy.build as build
cross join captures
