-- The parts of names, arguments, messages and unknown texts that may be shown. Each mask returns null for null.

-- An @ also matches in its full-width form, and encoded any number of times.
create macro at_sign() as '(?:[@＠﹫]|%(25)*40)';
-- Encoded: ? & = # @ ; | and the backslash, and blanks and full-width signs outside ASCII.
create macro encoded_separator() as '%(25)*(?i:3F|26|3D|23|40|3B|7C|5C|C2|E2%(25)*80|E3%(25)*80|EF%(25)*B[89CD])';

create macro mask_raw(value) as case when value = '' then '' when value is not null then '***' end;

-- Push arguments: names stay, values are masked.
create macro mask_args(value) as case
    when value = '' then ''
    else substr(
        ('?' || value)
        .regexp_replace('([?&])[^=&]*=(?:=[^&]*)?(&|$)', '\1***\2', 'g')
        .regexp_replace('([?&])[^=&]*=(?:=[^&]*)?(&|$)', '\1***\2', 'g')
        .regexp_replace('([?&])([A-Za-z0-9_.-]{1,40}=)?[^&]*', '\1\2***', 'g'),
        2
    )
end;

-- Text before the last @ of a name, and text after a separator, is not part of the name: somebody added it.
create macro name_separator() as '[?&#;=|\\？＆＝＃；｜＼﹖﹠﹦﹟﹔﹨\p{C}\p{Zl}\p{Zp}\x{A0}]';
create macro mask_any_name(value) as (value)
    .regexp_replace('^.*' || at_sign(), '***', 's')
    .regexp_replace('(' || name_separator() || '|' || encoded_separator() || ').*$', '***', 's');

-- Most names have none of these characters.
create macro mask_name(value) as case
    when regexp_matches(value, '[@＠﹫%]|' || name_separator()) then mask_any_name(value)
    else value
end;

create macro mask_stream_name(value) as mask_name(value);

-- Names from outside and messages of programs: addresses, values of anything that looks like a parameter, and quoted
-- values are masked. A message of the service is never shown, so it needs no mask (see service_words.py).
create macro mask_words(value) as (value)
    .regexp_replace('[A-Za-z][A-Za-z0-9+.-]*:/\S*', '***', 'g')
    .regexp_replace('\S*' || at_sign() || '\S*', '***', 'g')
    .regexp_replace('(["'']\s*:\s*)["''][^"'']*["'']', '\1***', 'g')
    .regexp_replace('([A-Za-z0-9_.-]{1,40}=)\S+', '\1***', 'g')
    .regexp_replace(
        '(?i)((key|token|secret|sign[a-z]*|pass[a-z]*|pwd|access|auth[a-z_]*|credential|streamid|ak|sk)\s*[=:]\s*)[^\s,;)]+',
        '\1***', 'g'
    )
    .regexp_replace('(?i)(bearer\s+)\S+', '\1***', 'g');

-- Names of unknown fields stay if they look like names.
create macro mask_field(value) as substr(mask_words(value), 1, 100);

create macro mask_json(value) as case
    when value is not null
        then '{' || array_to_string(
            list_sort(list_distinct(
                list_transform(json_keys(value), lambda field: to_json(mask_field(field)) || ':"***"')
            )),
            ','
        ) || '}'
end;
