-- The newest day of all lakes, in place of the stg_build of one lake. The display time zone is null if lakes differ.
select
    dates.snapshot_date,
    dates.targets_complete,
    dates.targets_expected,
    dates.observed_at,
    zones.display_timezone,
from dim_dates as dates
cross join (
    select
        case
            when count(display_timezone) = count(*) and min(display_timezone) = max(display_timezone)
                then min(display_timezone)
        end as display_timezone,
    from meta_build
) as zones
where dates.snapshot_date = (select max(snapshot_date) from dim_dates)
