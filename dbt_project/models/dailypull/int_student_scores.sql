-- one row per student with a type: 1 assessment, 2 forecast, 3 average of this school
-- year, 4 average of an earlier one; the measure that decides it gives the score
with
    scores as (select * from {{ ref("int_scores") }}),
    districts as (select * from {{ ref("int_districts") }} where is_enabled),

    typed as (
        select
            scores.district_id,
            scores.student_id,
            scores.measured_on,
            scores.school_year,
            scores.score,
            districts.score_basis,
            case
                when scores.measured_on < districts.school_year_starts_on
                then 4
                when scores.measure = 'assessment'
                then 1
                when scores.measure = 'forecast'
                then 2
                else 3
            end as type,
        from scores
        inner join
            districts
            on scores.district_id = districts.district_id
            and scores.measured_on <= districts.as_of
        where
            scores.measured_on >= districts.school_year_starts_on
            or scores.measure = 'average'
    ),

    deciding as (
        select
            *,
            min(type) over (partition by district_id, student_id) as student_type,
            -- of earlier years only the latest one speaks
            max(case when type = 4 then school_year end) over (
                partition by district_id, student_id
            ) as previous_year,
            max(measured_on) over (
                partition by district_id, student_id, type
            ) as latest_on,
        from typed
    )

select
    district_id,
    student_id,
    type,
    {{
        divide(
            "cast(sum(score) as decimal(26, 12))",
            "cast(count(*) as decimal(26, 12))",
            scale=12,
        )
    }} as score,
    max(measured_on) as measured_on,
from deciding
where
    type = student_type
    and (type < 4 or school_year = previous_year)
    and (score_basis = 'mean' or measured_on = latest_on)
group by district_id, student_id, type
