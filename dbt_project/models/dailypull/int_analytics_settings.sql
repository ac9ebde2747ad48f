-- one row per district: the settings of learning analytics that hold there; a
-- district's own row before that of every site, that before Moodle's default
with
    districts as (
        select
            district_id,
            instruction_mode,
            percent_online,
            institution_type,
            institution_level,
        from {{ ref("int_districts") }}
    ),
    settings as (select * from {{ ref("analytics_settings") }}),

    ranked as (
        select
            districts.district_id,
            settings.name,
            coalesce(settings.value, '') as value,
            row_number() over (
                partition by districts.district_id, settings.name
                order by case when settings.district_id = '*' then 1 else 0 end
            ) as own_first,
        from districts
        inner join
            settings
            on settings.district_id = districts.district_id
            or settings.district_id = '*'
    ),

    named as (
        select
            district_id,
            {% for name in [
                "enableanalytics",
                "predictionsprocessor",
                "logstore",
                "defaulttimesplittingsevaluation",
                "modeinstruction",
                "percentonline",
                "typeinstitution",
                "levelinstitution",
            ] -%}
                max(case when name = '{{ name }}' then value end) as {{ name }},
            {% endfor %}
        from ranked
        where own_first = 1
        group by district_id
    )

select
    districts.district_id,
    coalesce(named.enableanalytics, '1') <> '0' as is_analytics_enabled,
    coalesce(
        nullif(named.predictionsprocessor, ''), 'sklearn'
    ) as predictions_processor,
    coalesce(nullif(named.logstore, ''), 'standard') as logstore,
    coalesce(
        named.defaulttimesplittingsevaluation, 'quarters_accum quarters single_range'
    ) as evaluation_intervals,
    -- what districts.csv says of the site goes before Moodle's own settings
    coalesce(
        nullif(districts.instruction_mode, ''), nullif(named.modeinstruction, '')
    ) as instruction_mode,
    cast(
        coalesce(
            nullif(districts.percent_online, ''), nullif(named.percentonline, '')
        ) as integer
    ) as percent_online,
    coalesce(
        nullif(districts.institution_type, ''), nullif(named.typeinstitution, '')
    ) as institution_type,
    coalesce(
        nullif(districts.institution_level, ''), nullif(named.levelinstitution, '')
    ) as institution_level,
from districts
left join named on districts.district_id = named.district_id
