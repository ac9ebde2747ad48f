-- one row per configured district, disabled ones too: their facts go on
{% set pinned = env_var("TRACKLINE_AS_OF", "") | replace("'", "''") %}
with
    districts as (select * from {{ ref("districts") }}),

    typed as (
        select
            district_id,
            district_name,
            nces_lea_id,
            time_zone,
            school_year_start,
            cast(substr(school_year_start, 1, 2) as integer) as school_year_month,
            cast(substr(school_year_start, 4, 2) as integer) as school_year_day,
            -- one moment for the whole build: midnight cannot split it
            coalesce(
                cast(nullif('{{ pinned }}', '') as date),
                cast(nullif(as_of, '') as date),
                {{
                    local_date(
                        "cast('"
                        ~ run_started_at.strftime("%Y-%m-%d %H:%M:%S")
                        ~ "' as timestamp)",
                        "time_zone",
                    )
                }}
            ) as as_of,
            coalesce(cast(nullif(grace_days, '') as integer), 0) as grace_days,
            coalesce(nullif(score_basis, ''), 'latest') as score_basis,
            coalesce(cast(nullif(top_n, '') as integer), 5) as top_n,
            coalesce(
                cast(nullif(used_minutes, '') as decimal(18, 6)), 30
            ) as used_minutes,
            coalesce(
                cast(nullif(hold_rejected_rows, '') as decimal(18, 6)), 5
            ) as hold_rejected_rows,
            coalesce(
                cast(nullif(hold_usage_drop, '') as decimal(18, 6)), 50
            ) as hold_usage_drop,
            lower(coalesce(nullif(enabled, ''), 'true')) = 'true' as is_enabled,
            instruction_mode,
            percent_online,
            institution_type,
            institution_level,
        from districts
    ),

    dated as (
        select
            *,
            {{ school_year_start("as_of", "school_year_month", "school_year_day") }}
            as natural_start,
        from typed
    ),

    graced as (
        select
            *,
            -- within the grace the last year still counts as current
            as_of
            < {{ dbt.dateadd("day", "grace_days", "natural_start") }} as is_in_grace,
            {{
                school_year_start(
                    "cast(" ~ dbt.dateadd("day", -1, "natural_start") ~ " as date)",
                    "school_year_month",
                    "school_year_day",
                )
            }} as previous_start,
        from dated
    ),

    settled as (
        select
            *,
            case
                when is_in_grace then previous_start else natural_start
            end as school_year_starts_on,
        from graced
    )

select
    district_id,
    district_name,
    nces_lea_id,
    time_zone,
    school_year_start,
    as_of,
    grace_days,
    score_basis,
    top_n,
    used_minutes,
    hold_rejected_rows,
    hold_usage_drop,
    is_enabled,
    instruction_mode,
    percent_online,
    institution_type,
    institution_level,
    school_year_month,
    school_year_day,
    is_in_grace,
    school_year_starts_on,
from settled
