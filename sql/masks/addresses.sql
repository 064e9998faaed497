-- The parts of an address that may be shown: scheme and host if both can be read, and the rest only if it has an
-- ordinary form. Everything else is hidden. Null stays null, and empty stays empty.
--
--                             mask_stream_url            mask_url                   the column destination
--   rtmp://h/live/key?t=1     rtmp://h/live/***?t=***    the same                   the same
--   rtmp://u:p@h/key          rtmp://***@h/***           the same                   the same
--   https://h/a/b.flv?t=1     https://h/a/b.flv?t=***    the same                   https://h/a/***?t=***
--   h.example/hook/key        h.example/hook/***         h.example/hook/key         h.example/hook/***
--   rtmp://h/live/key#t;u     rtmp://h/***               the same                   the same
--   rtmp://h/live/a@b         ***                        the same                   the same

-- Latin, Greek and Cyrillic letters, kana, CJK, Hangul and pictographs, in contiguous ranges. Full-width signs and
-- invisible characters are not among them.
create macro letter() as
    'À-ÖØ-öø-ȿΑ-ΡΣ-ωА-ҁぁ-ゖァ-ヺ\x{3400}-\x{4DBF}\x{4E00}-\x{9FFF}가-힣☀-♮♰-⛿🌀-🏺🐀-🙏';
-- An encoded character, except a letter, an @ in either form, an &, a backslash, or a doubly encoded character.
create macro encoded() as '%(?:2[0-4789A-Fa-f]|[3789A-DFa-df][0-9A-Fa-f]|[Ee][0-9A-Ea-e])';
-- The last label of a host is short and begins with a letter, so that most keys do not match as a host.
create macro place() as
    '(?:[A-Za-z][A-Za-z+]{1,11}://(?:[A-Za-z0-9._~!$*()+,:-]*@)?(?:'
    || '(?:[A-Za-z0-9' || letter() || '-]+\.)*(?:[A-Za-z][A-Za-z0-9-]{0,23}|[' || letter() || ']+)\.?'
    || '|[0-9]{1,3}(?:\.[0-9]{1,3}){3}|\[(?:[0-9A-Fa-f]{0,4}:){2,8}(?:[0-9A-Fa-f]{0,4}|[0-9.]{7,15})\])'
    || '|(?:[a-z0-9][a-z0-9-]{0,62}\.)+[a-z]{2,24}|[0-9]{1,3}(?:\.[0-9]{1,3}){3})(?::[0-9]{1,5})?';
create macro encoded_han() as '%[Ee][4-9](?:%[89ABab][0-9A-Fa-f]){2}';
create macro ordinary_path() as
    '(?:/(?:[A-Za-z0-9' || letter() || '_~-]|' || encoded_han() || ')'
    || '(?:[A-Za-z0-9' || letter() || '._~!$*()+,-]|' || encoded_han() || ')*)*/?';
-- Each argument has a name and a value. If the value is missing or begins with =, the name might be a key.
create macro ordinary_argument() as
    '[A-Za-z0-9_.-]{1,40}=[A-Za-z0-9_/-](?:[A-Za-z0-9._~/:,+!$*()=-]|' || encoded() || ')*';

-- A stream path shows its application only if a name follows it. Everything else may be the key.
create macro front() as '^(?:[^/?]*://)?[^/?]*/(?:[A-Za-z0-9_~-][A-Za-z0-9._~-]*/)?[^/?]';
create macro hide_path(address) as coalesce(
    left(nullif(regexp_extract(address, front()), ''), -1)
    || '***' || case when contains(address, '?') then substr(address, strpos(address, '?')) else '' end,
    address
);
-- What follows an encoded character might be another argument.
create macro mask_values(address) as regexp_replace(address, '=[^&%]*(?:%.*)?', '=***', 'g');
create macro mask_user(address, value) as
    case when contains(value, '@') then regexp_replace(address, '//[^/@]*@', '//***@') else address end;
create macro mask_address(value, hides_path) as case
    when value = '' then ''
    when regexp_full_match(
        value,
        place() || ordinary_path() || '(?:[?]' || ordinary_argument() || '(?:&' || ordinary_argument() || ')*)?'
    )
        then mask_user(mask_values(case when hides_path then hide_path(value) else value end), value)
    -- Text before an @ may be user, password, host or path. An @ may also be written as &#64; or \u0040.
    when regexp_full_match(
        value,
        place() || '(?:[/?#](?:(?:[^@＠﹫%\\&]|' || encoded() || ')*|(?:[^@＠﹫%\\;]|' || encoded() || ')*))?'
    )
        then mask_user(regexp_extract(value, '^(?:[^/?#]*://)?[^/?#]*'), value) || '/***'
    when value is not null then '***'
end;

-- The path of a web page or a file may be shown. The path of a stream, or of a source without a scheme, contains the
-- key.
create macro is_web(value) as regexp_matches(value, '(?i)^https?://');
create macro mask_stream_url(value) as mask_address(value, not is_web(value));
create macro mask_url(value) as mask_address(value, not is_web(value) and contains(value, '://'));

-- The host in a masked address, in lower case and without its port; null if there is none. The argument is already
-- masked, so the result cannot show more.
create macro host_of(masked) as nullif(regexp_extract(
    lower(masked), '^(?:[a-z][a-z0-9+.-]*:/{1,2}|//)?(?:[*]{3}@)?(\[[0-9a-f:.]+\]|[^/?#;:@%*\s]+)(?:[/?#;:\s]|$)', 1
), '');
