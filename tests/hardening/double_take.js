// What Double Take does with its detector "compreface": recognise, train, recognise, remove. The calls are made with axios and
// form-data as it makes them. Arguments: the server's address, the key, the two photos. Prints the answers as JSON.
const fs = require('fs');
const axios = require('axios');
const FormData = require('form-data');

const [URL, KEY, TRAIN, OTHER] = process.argv.slice(2);

function form(path) {
  const data = new FormData();
  data.append('file', fs.createReadStream(path));
  return data;
}

function upload(url, params, path) {
  const data = form(path);
  const headers = { ...data.getHeaders(), 'x-api-key': KEY };
  return axios({ method: 'post', timeout: 30000, headers, url, params, data, validateStatus: () => true });
}

const recognize = (path) =>
  upload(`${URL}/api/v1/recognition/recognize?face_plugins=mask,age`, { det_prob_threshold: 0.8 }, path);
const train = (name, path) => upload(`${URL}/api/v1/recognition/faces`, { subject: name }, path);
const remove = (name) =>
  axios({
    method: 'delete',
    timeout: 30000,
    headers: { 'x-api-key': KEY },
    url: `${URL}/api/v1/recognition/faces`,
    params: { subject: name },
    validateStatus: () => true,
  });

(async () => {
  const answers = [];
  for (const call of [
    () => recognize(TRAIN),
    () => train('Grace Hopper', TRAIN),
    () => recognize(OTHER),
    () => remove('Grace Hopper'),
    () => recognize(OTHER),
  ]) {
    const { status, data } = await call();
    answers.push([status, data]);
  }
  console.log(JSON.stringify(answers));
})().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
