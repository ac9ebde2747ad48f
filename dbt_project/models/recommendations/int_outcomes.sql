-- one row per student with two assessments at least {{ var("outcome_gap_days") }} days
-- apart in the school year: the later score, the one before it, and the one before
-- that, which the placebo needs
with
    districts as (select * from {{ ref("int_districts") }} where is_enabled),

    assessments as (
        select
            scores.district_id,
            scores.student_id,
            scores.measured_on,
            {{
                divide(
                    "cast(sum(scores.score) as decimal(26, 12))",
                    "cast(count(*) as decimal(26, 12))",
                    scale=12,
                )
            }} as score,
        from {{ ref("int_scores") }} as scores
        inner join
            districts
            on scores.district_id = districts.district_id
            and scores.measured_on >= districts.school_year_starts_on
            and scores.measured_on <= districts.as_of
        where scores.measure = 'assessment'
        group by scores.district_id, scores.student_id, scores.measured_on
    ),

    later as ({{ latest_assessments("assessments") }}),

    before_later as (
        select assessments.*, later.measured_on as later_on, later.score as later_score,
        from assessments
        inner join
            later
            on assessments.district_id = later.district_id
            and assessments.student_id = later.student_id
            -- not an equality: far enough before it for use to have an effect
            and assessments.measured_on
            <=
            {{ dbt.dateadd("day", "-" ~ var("outcome_gap_days"), "later.measured_on") }}
    ),

    prior as ({{ latest_assessments("before_later") }}),

    before_prior as (
        select assessments.*,
        from assessments
        inner join
            prior
            on assessments.district_id = prior.district_id
            and assessments.student_id = prior.student_id
            -- not an equality, as above
            and assessments.measured_on
            <=
            {{ dbt.dateadd("day", "-" ~ var("outcome_gap_days"), "prior.measured_on") }}
    ),

    earlier as ({{ latest_assessments("before_prior") }})

select
    prior.district_id,
    prior.student_id,
    prior.measured_on as prior_on,
    prior.later_on,
    cast(prior.score as double) as prior_score,
    cast(prior.later_score as double) as later_score,
    cast(earlier.score as double) as earlier_score,
    bands.performance as band,
    students.grade_level,
    students.school_id,
from prior
inner join
    {{ ref("dim_students") }} as students
    on prior.district_id = students.district_id
    and prior.student_id = students.student_id
-- the band of the score before: that of the later one would explain itself
left join
    {{ ref("int_score_bands") }} as bands
    on prior.district_id = bands.district_id
    and prior.score >= bands.lower_bound
    and (prior.score < bands.upper_bound or bands.upper_bound is null)
left join
    earlier
    on prior.district_id = earlier.district_id
    and prior.student_id = earlier.student_id
