-- one row per student, app and day, of the days that new events can change: whole days,
-- summed anew from all of their events
{{ config(**only_this_night()) }}
with
    events as (select * from {{ ref("int_event_versions") }}),
    bounds as (select * from {{ ref("int_event_bounds") }}),

    dated as (
        select
            events.district_id,
            events.student_id,
            events.app_id,
            events.occurred_at,
            events.duration_seconds,
            events.file_modified_at,
            bounds.first_date,
            {{ local_date("events.occurred_at", "bounds.time_zone") }} as usage_date,
            lead(events.occurred_at) over (
                partition by events.district_id, events.student_id
                order by events.occurred_at, events.event_id
            ) as next_occurred_at,
        from events
        inner join
            bounds
            on events.district_id = bounds.district_id
            and events.student_id = bounds.student_id
            -- a day of slack for the zone's midnight
            and events.occurred_at
            >= {{ dbt.dateadd("day", -1, "cast(bounds.first_date as timestamp)") }}
    ),

    lasting as (
        select
            district_id,
            student_id,
            app_id,
            usage_date,
            file_modified_at,
            cast(
                case
                    when duration_seconds is not null
                    then duration_seconds * 1000000
                    when next_occurred_at is null
                    then 60000000
                    else
                        least(
                            {{
                                microseconds_between(
                                    "occurred_at", "next_occurred_at"
                                )
                            }},
                            600000000
                        )
                end as bigint
            ) as microseconds,
        from dated
        where usage_date >= first_date
    )

select
    district_id,
    student_id,
    app_id,
    usage_date,
    least(
        {{
            divide(
                "cast(sum(microseconds) as decimal(28, 0))",
                "cast(60000000 as decimal(28, 0))",
                scale=0,
            )
        }},
        cast(1440 as decimal(18, 6))
    ) as usage_minutes,
    cast(count(*) as bigint) as session_count,
    max(file_modified_at) as file_modified_at,
from lasting
group by district_id, student_id, app_id, usage_date
