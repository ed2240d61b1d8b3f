//! Stable codes of everything that can be refused, with a text in Chinese and English.

use serde::{Deserialize, Serialize};

/// A text for people, Chinese first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Text {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

impl Text {
    /// Both at once.
    pub fn new(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { zh: zh.into(), en: en.into() }
    }
}

/// A stable code with its HTTP status and its texts. Compare by `code`.
#[derive(Debug, Clone, Copy)]
pub struct Code {
    /// `document.unknown_category` and the like; never changes its meaning.
    pub code: &'static str,
    /// The HTTP status, also the `Nats-Service-Error-Code`.
    pub status: u16,
    /// Chinese text.
    pub zh: &'static str,
    /// English text.
    pub en: &'static str,
}

impl PartialEq for Code {
    fn eq(&self, other: &Self) -> bool {
        self.code == other.code
    }
}

impl Code {
    /// The texts.
    pub fn text(&self) -> Text {
        Text::new(self.zh, self.en)
    }
}

macro_rules! codes {
    ($($name:ident = $code:literal, $status:literal, $zh:literal, $en:literal;)*) => {
        $(
            #[doc = concat!("`", $code, "`: ", $en)]
            pub const $name: Code = Code { code: $code, status: $status, zh: $zh, en: $en };
        )*
        /// Every code there is.
        pub const ALL: &[Code] = &[$($name),*];
    };
}

codes! {
    DOCUMENT_ACCEPTED = "document.accepted", 200, "单据已接收", "the document is accepted";
    DOCUMENT_DUPLICATE = "document.duplicate", 200, "相同单据已处理过，未重复计入", "the same document was seen before; nothing was counted twice";
    DOCUMENT_PARKED = "document.parked", 202, "未找到会员，单据已暂存，会员注册后自动计分", "no member fits yet; the document waits and earns when the customer registers";
    DOCUMENT_PARKED_REVIEW = "document.keys_disagree", 202, "客户信息指向不同会员，单据已暂存待人工核对", "the customer's keys point to different members; the document waits for review";
    DOCUMENT_AWAITS_INVOICE = "document.awaits_invoice", 202, "所涉结算单尚未到达或尚未计分，单据已暂存，随后自动处理", "the invoice it is about has not come, or waits itself; the document waits and follows it";
    DOCUMENT_LAPSED = "document.lapsed", 409, "超过业务日期后九十天，暂存单据不再计分", "more than 90 days after its business date a waiting document no longer earns";
    DOCUMENT_UNDECODABLE = "document.undecodable", 400, "无法解析：不是有效的 UTF-8 JSON 对象", "not a JSON object in UTF-8";
    DOCUMENT_TOO_LARGE = "document.too_large", 413, "单据超过 256 KiB", "the document is larger than 256 KiB";
    DOCUMENT_BAD_ENVELOPE = "document.bad_envelope", 400, "CloudEvents 信封不正确", "the CloudEvents envelope is wrong";
    DOCUMENT_UNKNOWN_KIND = "document.unknown_kind", 400, "主题中的单据类型未知", "the subject names an unknown kind of document";
    DOCUMENT_UNSUPPORTED = "document.unsupported", 501, "本版本尚不处理此类单据，已保存，升级后可重新提交", "this release does not process such documents yet; it is kept and can be resubmitted after an upgrade";
    DOCUMENT_UNKNOWN_STORE = "document.unknown_store", 404, "门店不在规则手册中", "the store is not in the program";
    DOCUMENT_STORE_MISMATCH = "document.store_mismatch", 400, "主题中的门店与单据中的门店不一致", "the store in the subject is not the store in the document";
    DOCUMENT_MISSING_FIELD = "document.missing_field", 400, "缺少必填字段", "a required field is missing";
    DOCUMENT_BAD_FIELD = "document.bad_field", 400, "字段的类型或格式不正确", "a field has the wrong type or form";
    DOCUMENT_BAD_AMOUNT = "document.bad_amount", 400, "金额不正确：须为非负十进制字符串，最多两位小数", "an amount is wrong: a decimal string, not negative, at most two places";
    DOCUMENT_BAD_DATE = "document.bad_date", 400, "时间不正确：须为带时区的 RFC 3339 格式", "a time is wrong: RFC 3339 with its offset";
    DOCUMENT_FUTURE_DATE = "document.future_date", 400, "业务时间超前二十四小时以上", "the business time lies more than 24 hours ahead";
    DOCUMENT_UNKNOWN_CATEGORY = "document.unknown_category", 400, "业务类别未知", "a line has an unknown category";
    DOCUMENT_UNKNOWN_PAYER = "document.unknown_payer", 400, "付款方未知", "a line has an unknown payer";
    DOCUMENT_UNKNOWN_INTERACTION = "document.unknown_interaction", 400, "互动类型未知", "the kind of interaction is unknown";
    DOCUMENT_UNKNOWN_PARTNER = "document.unknown_partner", 400, "合作方未知", "the partner is unknown";
    DOCUMENT_NO_BUYER = "document.no_buyer", 400, "购车客户至少需要一项：会员号或手机号", "who buys a car needs at least one of member_no and phone";
    DOCUMENT_NO_CUSTOMER = "document.no_customer", 400, "客户信息至少需要一项：会员号、手机号、车架号或车牌", "the customer needs at least one of member_no, phone, vin and plate";
    DOCUMENT_TOO_MANY_LINES = "document.too_many_lines", 400, "单据超过 500 行", "the document has more than 500 lines";
    DOCUMENT_DUPLICATE_LINE = "document.duplicate_line", 400, "行号重复", "a line number stands twice";
    DOCUMENT_UNKNOWN_LINE = "document.unknown_line", 400, "结算单中没有此行", "the invoice has no such line";
    DOCUMENT_REPLACES_ITSELF = "document.replaces_itself", 400, "结算单不能替代自身", "an invoice can't replace itself";
    DOCUMENT_CONFLICT = "document.conflict", 409, "同一单号已有不同内容的单据", "another document with this number and other content exists";
    DOCUMENT_NOT_FOUND = "document.not_found", 404, "没有此单据", "there is no such document";
    DOCUMENT_NOT_IN_REVIEW = "document.not_in_review", 409, "此单据不在待核对之列", "this document does not wait for a review";
    DOCUMENT_NOT_THEIRS = "document.not_theirs", 409, "单据上的客户信息并不指向该会员", "none of the document's keys points to this member";
    DOCUMENT_NOT_REJECTED = "document.not_rejected", 409, "此单据并未被拒绝", "this document was not rejected";

    MEMBER_UNKNOWN = "member.unknown", 404, "没有此会员", "there is no such member";
    MEMBER_BAD_PHONE = "member.bad_phone", 400, "手机号不正确", "the phone number is wrong";
    MEMBER_BAD_NAME = "member.bad_name", 400, "姓名不正确", "the name is wrong";
    MEMBER_BAD_BIRTHDAY = "member.bad_birthday", 400, "生日不正确", "the birthday is wrong";
    MEMBER_BAD_CONSENT = "member.bad_consent", 400, "授权项未知", "a consent is unknown";
    MEMBER_BAD_VEHICLE = "member.bad_vehicle", 400, "车架号或车牌不正确", "a VIN or plate is wrong";
    MEMBER_VEHICLE_TAKEN = "member.vehicle_taken", 409, "车辆已登记在其他会员名下", "the vehicle belongs to another member";
    MEMBER_PHONE_TAKEN = "member.phone_taken", 409, "手机号已登记在其他会员名下", "the phone belongs to another member";
    MEMBER_BAD_OPENID = "member.bad_openid", 400, "微信标识不正确", "the WeChat identity is wrong";
    MEMBER_ALREADY_ACTIVE = "member.already_active", 409, "会员已激活，无需验证码", "the member is active already: no code is needed";
    MEMBER_LAPSED = "member.lapsed", 409, "注册已失效，请用同一手机号重新注册，会员号和待生效积分保留", "the registration has lapsed: register the phone again, number and pending points stay";
    MEMBER_CODE_NONE = "member.code_none", 409, "没有有效的验证码，请重新获取", "no code is valid: have one sent";
    MEMBER_CODE_EXPIRED = "member.code_expired", 410, "验证码已过期，请重新获取", "the code has expired: have another one sent";
    MEMBER_CODE_VOID = "member.code_void", 409, "错误次数过多，验证码已作废，请重新获取", "too many wrong attempts, the code is void: have another one sent";
    MEMBER_CODE_WRONG = "member.code_wrong", 403, "验证码错误", "the code is wrong";
    MEMBER_CODE_RATE_LIMITED = "member.code_rate_limited", 429, "验证码发送过于频繁，请稍后再试", "too many codes were sent; try again later";
    MEMBER_UNREADABLE = "member.unreadable", 500, "会员的个人信息无法解密，须由运维人员检查", "the member's personal values can't be opened; an operator must look at the vault";
    MEMBER_UNKNOWN_STORE = "member.unknown_store", 404, "门店不在规则手册中", "the store is not in the program";

    POINTS_INSUFFICIENT = "points.insufficient", 409, "可用积分不足", "there are not enough spendable points";
    POINTS_FROZEN = "points.frozen", 409, "积分账户已冻结，暂不可使用", "the account is frozen: nothing of it can be held, spent or taken";
    POINTS_NOT_FROZEN = "points.not_frozen", 409, "积分账户并未冻结", "the account is not frozen";
    POINTS_BAD_AMOUNT = "points.bad_amount", 400, "积分数量不正确", "the number of points is wrong";
    POINTS_BAD_TEXT = "points.bad_text", 400, "文字为空、过长或含有不可见字符", "a text is empty, too long or has characters that can't be seen";
    POINTS_UNKNOWN_STORE = "points.unknown_store", 404, "门店不在规则手册中", "the store is not in the program";
    HOLD_UNKNOWN = "hold.unknown", 404, "没有此预扣", "the store has no such hold";
    HOLD_RESOLVED = "hold.resolved", 409, "此预扣已抵扣或已取消", "the hold was captured or released before";
    HOLD_EXPIRED = "hold.expired", 410, "此预扣已过期，积分已退回", "the hold has expired: its points came back";
    HOLD_EXCEEDED = "hold.exceeded", 409, "抵扣积分超过预扣积分", "more points than the hold has";
    HOLD_TOO_LONG = "hold.too_long", 409, "预扣时间超过规则上限", "the hold would last longer than the program allows";
    HOLD_DOCUMENT_VOIDED = "hold.document_voided", 409, "所抵扣的结算单已作废", "the invoice that they would pay for was voided";
    ADJUSTMENT_UNKNOWN = "adjustment.unknown", 404, "没有此人工调整", "there is no such adjustment";
    ADJUSTMENT_RESOLVED = "adjustment.resolved", 409, "此人工调整已处理过", "the adjustment was posted or rejected before";
    ADJUSTMENT_UNKNOWN_REASON = "adjustment.unknown_reason", 400, "规则手册中没有此调整原因", "the program has no such reason";
    ADJUSTMENT_UNKNOWN_ROLE = "adjustment.unknown_role", 403, "该角色无权调整积分", "the program gives this role no right to adjust";
    ADJUSTMENT_OVER_LIMIT = "adjustment.over_limit", 403, "超过该角色的调整或审批限额", "more points than this role may ask for or approve";
    ADJUSTMENT_OWN = "adjustment.own", 403, "不能审批本人提交的调整", "nobody decides on an adjustment of their own";
    POINTS_LOT_UNKNOWN = "points.lot_unknown", 404, "会员没有此可用积分批次", "the member has no such live lot";
    POINTS_BAD_EXTENSION = "points.bad_extension", 400, "新的到期日须在今天之后、十年之内", "the new last day must lie after today and within ten years";
    POINTS_NOT_REVIVABLE = "points.not_revivable", 409, "没有可恢复的过期积分：现行规则未开放，或已超过天数，或已恢复过", "nothing can live again: the program doesn't allow it, it ended too long ago, or it did so before";
    POINTS_NO_REVIEW = "points.no_review", 404, "此单据没有待审核的积分", "no points of this document wait for a review";
    POINTS_IMPORT_CONFLICT = "points.import_conflict", 409, "同一来源的同一行曾以不同内容导入", "this line of the source was imported with other content";
    POINTS_IMPORT_ENDED = "points.import_ended", 400, "到期日已过或超出十年", "the last day is over, or more than ten years away";
    POINTS_IMPORT_AMOUNT = "points.import_amount", 400, "积分须为正整数", "the points must be a whole number above zero";
    POINTS_ENTRY_UNKNOWN = "points.entry_unknown", 404, "没有此积分流水或单据", "the member has no such entry or document";

    TIER_UNKNOWN = "tier.unknown", 404, "现行规则中没有此等级，或该等级不可由此方式获得", "the program in force has no such tier, or it can't be given this way";
    TIER_BAD_REASON = "tier.bad_reason", 400, "须填写理由（一至二百字）", "a reason of 1 to 200 characters is needed";
    TIER_UNKNOWN_STORE = "tier.unknown_store", 404, "门店不在规则手册中", "the store is not in the program";
    TIER_ENTITLEMENT_UNKNOWN = "tier.entitlement_unknown", 404, "会员没有此项权益", "the member has no such entitlement";
    TIER_ENTITLEMENT_EXHAUSTED = "tier.entitlement_exhausted", 409, "此项权益的次数已用完", "the entitlement is used up";
    TIER_ENTITLEMENT_EXPIRED = "tier.entitlement_expired", 409, "此项权益已过有效期", "the entitlement is no longer valid";
    TIER_USE_UNKNOWN = "tier.use_unknown", 404, "没有此次权益使用记录", "there is no such use of an entitlement by this store";
    TIER_USE_UNDONE = "tier.use_undone", 409, "此次使用已撤销过", "this use was taken back before";

    PROGRAM_INVALID = "program.invalid", 400, "规则手册有错误", "the program has errors";
    PROGRAM_UNKNOWN_VERSION = "program.unknown_version", 404, "没有此版本", "there is no such version";
    PROGRAM_CHANGED = "program.changed", 409, "规则手册已被他人更新，请基于最新版本修改", "another version was applied in between; start from the newest one";
    PROGRAM_RETROACTIVE = "program.retroactive", 409, "生效日期不能早于现行版本的生效日期", "the version would begin before the one in force";

    OPERATION_CONFLICT = "operation.conflict", 409, "同一 operation_id 已用于不同内容的请求", "this operation_id was used for a request with other content";
    REQUEST_MALFORMED = "request.malformed", 400, "请求不是有效的 JSON 或字段不正确", "the request is not JSON of the expected shape";
    REQUEST_TOO_LARGE = "request.too_large", 413, "请求超过 256 KiB", "the request is larger than 256 KiB";
    REQUEST_STORE_MISMATCH = "request.store_mismatch", 403, "主题中的门店与请求中的门店不一致", "the store in the subject is not the store in the request";
    REQUEST_UNAUTHORIZED = "request.unauthorized", 401, "缺少门店令牌或令牌不正确", "the store's token is missing or wrong";
    REQUEST_OTHER_STORE = "request.other_store", 403, "令牌不属于单据中的门店", "the token is not that of the document's store";
    REQUEST_NOT_FOUND = "request.not_found", 404, "没有此地址", "there is nothing at this address";
    REQUEST_METHOD = "request.method", 405, "此地址不支持该方法", "this address does not take that method";
    REQUEST_TIMED_OUT = "request.timed_out", 408, "请求内容未在限时内到达", "the request did not arrive in time";
    REQUEST_MEDIA_TYPE = "request.media_type", 415, "内容类型须为 application/json 或 application/cloudevents+json", "the content type must be application/json or application/cloudevents+json";
    REQUEST_BAD_KEY = "request.bad_key", 400, "Idempotency-Key 须为 1 至 128 个可见 ASCII 字符", "the Idempotency-Key must be 1 to 128 visible ASCII characters";
    REQUEST_KEY_REUSED = "request.key_reused", 422, "此 Idempotency-Key 已用于不同内容", "this Idempotency-Key was used for other content";
    REQUEST_TOO_MANY = "request.too_many", 429, "同时处理的请求过多，请稍后重试", "too many requests are under way; try again in a moment";
    REQUEST_NOT_TAKEN = "request.not_taken", 503, "单据暂时无法送达，未被接收，请稍后重发", "the document could not be delivered and was not taken; send it again in a moment";
    IMPORT_WRONG_COLUMNS = "import.wrong_columns", 400, "列数与表头不一致", "the row has another number of columns than the file";
    IMPORT_BAD_ENCODING = "import.bad_encoding", 400, "该行含有不符合文件编码的字符", "the row holds bytes that are no text in the file's encoding";
    IMPORT_UNMAPPED_VALUE = "import.unmapped_value", 400, "映射文件中没有此值", "the mapping does not know this value";
    IMPORT_ROWS_DIFFER = "import.rows_differ", 400, "同一单据各行的内容不一致", "the rows of one bill contradict each other";
    IMPORT_SCATTERED = "import.scattered", 400, "同一单号的各行未连续排列，请按单号排序后重新导入", "the rows of this number do not stand together: sort the file by number";
    IMPORT_INCOMPLETE = "import.incomplete", 400, "同一单据的其他行有误，整单未发送", "another row of the same bill is wrong, so the bill was not sent";
    IMPORT_UNANSWERED = "import.unanswered", 503, "导入中断，尚未收到回执，请重新导入", "the import ended before the receipt came; import it again";
    DEAD_LETTER_NOT_FOUND = "dead_letter.not_found", 404, "没有此死信", "there is no such dead letter";
    SERVICE_BUSY = "service.busy", 503, "服务繁忙，请稍后重试", "the service has too much unpublished work; try again later";
    SERVICE_UNAVAILABLE = "service.unavailable", 503, "服务暂时不可用，请用同一 operation_id 重试", "the service can't answer now; repeat with the same operation_id";
    SERVICE_INTERNAL = "service.internal", 500, "内部错误，已记录", "an internal error; it was recorded";

    EVENT_UNDECODABLE = "event.undecodable", 400, "事件无法解析", "the event can't be decoded";
    EVENT_TOO_OLD = "event.too_old", 409, "事件超过十五天", "the event is older than 15 days and has no natural key";
    EVENT_HASH_CHANGED = "event.hash_changed", 409, "同一事件编号内容不同", "an event id came again with other content";
    EVENT_INVARIANT = "event.invariant", 500, "事件违反不变量", "the event breaks an invariant";
}

/// An answer that refuses: problem details of RFC 9457.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, thiserror::Error)]
#[error("{code}: {detail}{}", pointer.as_deref().map(|p| format!(" (at {p})")).unwrap_or_default())]
pub struct Problem {
    /// `urn:jifen:problem:<code>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The HTTP status that fits.
    pub status: u16,
    /// The stable code.
    pub code: String,
    /// What is wrong, in English, for operators. Never holds personal data.
    pub detail: String,
    /// Where: a JSON pointer into the request or document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// After so many seconds another request may be granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u64>,
    /// For people.
    pub text: Text,
}

impl Problem {
    /// A problem of this code, with the code's own text as detail.
    pub fn new(code: Code) -> Self {
        Self {
            kind: format!("urn:jifen:problem:{}", code.code),
            status: code.status,
            code: code.code.to_owned(),
            detail: code.en.to_owned(),
            pointer: None,
            retry_after_s: None,
            text: code.text(),
        }
    }

    /// Adds what exactly is wrong.
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// Adds where it is.
    pub fn at(mut self, pointer: impl Into<String>) -> Self {
        self.pointer = Some(pointer.into());
        self
    }

    /// Adds how long to wait.
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// True for a code that a repeat may cure: it isn't stored as the operation's answer.
    pub fn is_transient(&self) -> bool {
        [SERVICE_BUSY, SERVICE_UNAVAILABLE, SERVICE_INTERNAL].iter().any(|code| code.code == self.code)
    }
}

impl From<Code> for Problem {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_are_unique() {
        let unique: HashSet<&str> = ALL.iter().map(|code| code.code).collect();
        assert_eq!(unique.len(), ALL.len());
    }
}
