-- What of an address may be seen: scheme, host, path and names of parameters stay; userinfo, values, fragments, and
-- whatever does not look like an address, go. All of them give null for null.

--
-- The way of an address: mask_address takes out user, arguments and what is foreign, by a short way where the address
-- is ordinary (mask_usual_arguments) and by all rules where it is not (mask_any_address). mask_place replaces what does
-- not look like a place. The columns call one of three, which differ in the path:
--
--                              mask_stream_url (sources)     mask_url (callbacks)        mask_place, hide_stream_path
--                                                                                        (destinations)
--   rtmp://h/live/key?t=1      rtmp://h/live/***?t=***       rtmp://h/live/***?t=***     rtmp://h/live/***?t=***
--   rtmp://u:p@h/live/key      rtmp://***@h/live/***         rtmp://***@h/live/***       rtmp://***@h/live/***
--   https://h/a.flv?t=1#x      https://h/a.flv?t=***#***     the same                    the same
--   h.example/live/key         h.example/live/***            h.example/live/key          h.example/live/***
--   sk_live_1234               ***                           ***                         ***

-- Pieces of patterns. RE2 reads them. A sign counts however often it was encoded, and in its wide form.
create macro at_sign() as '(?:[@＠﹫]|%(25)*40)';
create macro scheme() as '[A-Za-z][A-Za-z0-9+.-]*:/{1,2}';
-- What no address may hold as it is: blanks of every kind, line ends, what cannot be seen, wide signs, and < > " | { }
-- and their like. Letters, digits and pictures of every script may stand. A pattern with all of them takes 2 ms to be
-- compiled, wherever it stands.
create macro foreign_sign() as '[^!#-;=?-\[\]_a-z~\p{L}\p{M}\p{N}\p{So}]';
-- ? & = # @ ; | and the backslash encoded; the same of what is foreign outside ASCII.
create macro encoded_separator() as '%(25)*(?i:3F|26|3D|23|40|3B|7C|5C|C2|E2%(25)*80|E3%(25)*80|EF%(25)*B[89CD])';
create macro host() as '(\[[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*\]|[^/?#;:@,%\[\]\s\\]+)(:[0-9]{1,5})?';
-- Beside ASCII letters of Latin, Greek and Cyrillic script, kana, CJK, Hangul and pictures, as far as they lie together.
create macro plain_character() as
    '[A-Za-z0-9/._~!$*()+,''À-ÖØ-öø-ȿΑ-ΡΣ-ωА-ҁぁ-ゖァ-ヺ\x{3400}-\x{4DBF}\x{4E00}-\x{9FFF}가-힣☀-♮♰-⛿🌀-🏺🐀-🙏-]';

-- Names of arguments stay. One without a value, or with one that begins with =, might be a key that ends in =; twice,
-- as what ends one argument begins the next.
create macro mask_usual_arguments(value) as
    regexp_replace(value, '([?&])([A-Za-z0-9_.-]{1,40}=)?[^&#]*', '\1\2***', 'g');
create macro mask_arguments(value) as mask_usual_arguments(
    (value)
    .regexp_replace('([?&])[^=&#]*=(?:=[^&#]*)?(&|#|$)', '\1***\2', 'g')
    .regexp_replace('([?&])[^=&#]*=(?:=[^&#]*)?(&|#|$)', '\1***\2', 'g')
);

-- The rules for any address, one after the other.
create macro mask_any_address(value) as mask_arguments(
    (value)
    -- blanks, quotes and invisible characters in front hide the scheme from the rules below
    .regexp_replace('^[^A-Za-z0-9/@\[]+', '', '')
    -- An @ behind the first / or what may stand for one: what of it is user, password, host or path, nobody can tell.
    .regexp_replace(
        '^(?:(' || scheme() || '|//)[^/?#]+?|[^/?#]*?[^/?#:])(?:[/?#]|' || foreign_sign() || '|%(25)*(?i:2F|3F|23|5C)).*'
        || at_sign() || '.*$',
        '\1***@***', 's'
    )
    -- userinfo, up to the last @ before the path; without a scheme as well
    .regexp_replace('^(' || scheme() || '|//)?[^/]*' || at_sign(), '\1***@', 's')
    -- an address in an address: another one behind a comma, or one that is proxied
    .regexp_replace('^((?:' || scheme() || '|//)?[^/]*/).*:/.*$', '\1***', 's')
    .regexp_replace('#.*$', '#***', 's')
    .regexp_replace(foreign_sign() || '.*$', ' ***', 's')
    .regexp_replace(';[^?#]*', ';***', 'g')
    -- everything behind an encoded separator might be a parameter
    .regexp_replace(encoded_separator() || '.*$', '%***', 's')
)
    -- a parameter as a part of the path
    .regexp_replace('/[^/?#]*=[^/?#]*', '/***', 'g');

-- Most addresses are ordinary: a scheme, a host, a path and arguments of plain characters. None of the rules but those
-- for arguments can touch them. Of some only a user stands before the host, or a fragment or foreign signs at the end;
-- their rules and no others can touch these. Either looks like a place.
create macro ordinary_place() as
    '[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:/' || plain_character() || '*)?(?:\?[A-Za-z0-9._~=&/-]*)?';
create macro ordinary_user() as '[A-Za-z0-9._~!$*()+,:-]*@';
create macro foreign_ascii() as '[\x00-\x20"<>\\^`{|}\x7F]';
create macro ordinary_end() as '(?:#|' || foreign_ascii() || ')(?:[^@＠﹫%:]|:+[^@＠﹫%:/])*:*';
create macro mask_user_and_end(value) as (value)
    .regexp_replace('//' || ordinary_user(), '//***@', '')
    .regexp_replace('#.*$', '#***', 's')
    .regexp_replace(foreign_ascii() || '.*$', ' ***', 's');
create macro mask_if_ordinary(value, otherwise) as case
    when regexp_full_match(value, '[A-Za-z][A-Za-z0-9+.-]*://' || ordinary_place())
        then case
            when not contains(value, '?') then value
            when regexp_matches(value, '=([=&]|$)') then mask_arguments(value)
            else mask_usual_arguments(value)
        end
    when regexp_full_match(
        value,
        '[A-Za-z][A-Za-z0-9+.-]*://(?:' || ordinary_user() || ')?' || ordinary_place() || '(?:' || ordinary_end() || ')?'
    )
        then case
            when regexp_matches(value, '=([=&#]|$)') then mask_arguments(mask_user_and_end(value))
            else mask_usual_arguments(mask_user_and_end(value))
        end
    else otherwise
end;
create macro mask_address(value) as mask_if_ordinary(value, mask_any_address(value));

-- What is left must look like a place: a scheme or a masked user before a host, or at least a host's name. Else it is
-- no address, and may as well be a key. A list of one and a lambda: so what is found once is not computed again.
create macro mask_any_place(value) as list_transform(
    [mask_any_address(value)],
    lambda address: case
        when address = ''
            or regexp_matches(
                address,
                '^((' || scheme() || '|//)(\*\*\*@)?' || host() || '|\*\*\*@' || host()
                || '|([a-z0-9-]{1,63}\.)+[a-z]{2,24}(:[0-9]{1,5})?|[0-9]{1,3}(\.[0-9]{1,3}){3}(:[0-9]{1,5})?)([/?#;\s].*)?$',
                's'
            )
            then address
        when address is not null then '***'
    end
)[1];
create macro mask_place(value) as mask_if_ordinary(value, mask_any_place(value));

-- `hide_*` go on from what `mask_place` left of an address. Of a stream's path its application may be seen if a plain
-- name follows it, all else may be the key.
create macro path_front() as '(?:' || scheme() || '|//)?(?:[*]{3}@)?(?:\[[^\]]*\]|[^/?#;:\s]+)(?::[0-9]{1,5})?/+';
create macro keyed_path() as '[A-Za-z0-9_~-][A-Za-z0-9._~-]*/';
create macro hide_path(address) as regexp_replace(
    address,
    '^(?:(' || path_front() || keyed_path() || ')[/.]*(?:[A-Za-z0-9_~\x{80}-\x{10ffff}-]|%[013-9A-Fa-f])|('
    || path_front() || ')[^?#;\s])[^?#;\s]*',
    '\1\2***'
);

-- The path of a web page or a file may be seen; of a stream, and of what has no scheme, it holds the key.
create macro hide_stream_path(address) as
    case when regexp_matches(address, '(?i)^https?:/+') then address else hide_path(address) end;

create macro mask_stream_url(value) as case
    -- of a web page or a file without arguments nothing is hidden
    when regexp_full_match(value, 'https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/' || plain_character() || '*)?') then value
    else list_transform([mask_place(value)], lambda address: hide_stream_path(address))[1]
end;

create macro mask_url(value) as list_transform(
    [mask_place(value)],
    lambda address: case when regexp_matches(address, '^' || scheme()) then hide_stream_path(address) else address end
)[1];

-- The host that a masked address shows, in lower case, without its port; null where it shows none. It takes what is
-- masked already, so it can show nothing more.
create macro host_of_any(masked) as nullif(regexp_extract(
    lower(masked), '^(?:[a-z][a-z0-9+.-]*:/{1,2}|//)?(?:[*]{3}@)?(\[[0-9a-f:.]+\]|[^/?#;:@%*\s]+)(?:[/?#;:\s]|$)', 1
), '');
create macro host_of(masked) as case
    when regexp_matches(masked, '^https?://[a-z0-9.-]+/') then regexp_extract(masked, '^https?://([a-z0-9.-]+)/', 1)
    else host_of_any(masked)
end;
