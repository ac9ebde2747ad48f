-- one row per student with new events: the first day whose sums they can change. An
-- event without a duration lasts until the student's next one, so a new event reaches
-- back to the day of the one before it. In a district that has another time zone than
-- when its events were summed, every event is new
{{ config(**only_this_night()) }}
with
    events as (select * from {{ ref("int_event_versions") }}),
    districts as (select district_id, time_zone from {{ ref("int_districts") }}),

    marks as (
        select district_id, counted_to, time_zone
        from {{ ref("int_usage_marks") }}
        where reader = 'int_usage_versions'
    ),

    counted as (
        select
            districts.district_id,
            coalesce(marks.counted_to, 0) as counted_to,
            marks.district_id is null as is_counted_anew,
        from districts
        left join
            marks
            on districts.district_id = marks.district_id
            and districts.time_zone = marks.time_zone
    ),

    both_versions as (
        select events.district_id, events.student_id, events.occurred_at,
        from events
        inner join
            counted
            on events.district_id = counted.district_id
            and events.merged_in > counted.counted_to
        union all
        select superseded.district_id, superseded.student_id, superseded.occurred_at,
        from {{ ref("int_superseded_events") }} as superseded
        inner join
            counted
            on superseded.district_id = counted.district_id
            and superseded.merged_in > counted.counted_to
            and (
                superseded.was_merged_in <= counted.counted_to
                or counted.is_counted_anew
            )
    ),

    touched as (
        select district_id, student_id, min(occurred_at) as occurred_at,
        from both_versions
        group by district_id, student_id
    ),

    previous as (
        select
            events.district_id,
            events.student_id,
            max(events.occurred_at) as occurred_at,
        from events
        inner join
            touched
            on events.district_id = touched.district_id
            and events.student_id = touched.student_id
            -- not an equality: the last event before the first change
            and events.occurred_at < touched.occurred_at
        group by events.district_id, events.student_id
    )

select
    touched.district_id,
    touched.student_id,
    districts.time_zone,
    case
        when counted.is_counted_anew
        then cast('0001-01-01' as date)
        else
            {{
                local_date(
                    "coalesce(previous.occurred_at, touched.occurred_at)",
                    "districts.time_zone",
                )
            }}
    end as first_date,
from touched
inner join districts on touched.district_id = districts.district_id
inner join counted on touched.district_id = counted.district_id
left join
    previous
    on touched.district_id = previous.district_id
    and touched.student_id = previous.student_id
