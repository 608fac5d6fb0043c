import { describe, expect, it } from 'vitest';
import { createRouter } from '../../../local/apigateway/routes.ts';

describe('routes', () => {
  const keys = [
    'ANY /{proxy+}',
    'ANY /things',
    'GET /things',
    'GET /things/{id}',
    'GET /things/new',
    'POST /things/{id}/parts/{part}',
    'ANY /things/{id}/{rest+}',
    '$default',
  ];
  const route = createRouter(keys.map((key) => ({ key, target: key })));

  it.each([
    ['GET', '/things', 'GET /things', undefined],
    ['PUT', '/things', 'ANY /things', undefined],
    ['GET', '/things/1', 'GET /things/{id}', { id: '1' }],
    ['GET', '/things/new', 'GET /things/new', undefined],
    ['PUT', '/things/1', 'ANY /{proxy+}', { proxy: 'things/1' }],
    ['POST', '/things/1/parts/2', 'POST /things/{id}/parts/{part}', { id: '1', part: '2' }],
    ['GET', '/things/1/parts/2', 'ANY /things/{id}/{rest+}', { id: '1', rest: 'parts/2' }],
    ['GET', '/a/b/c', 'ANY /{proxy+}', { proxy: 'a/b/c' }],
    ['GET', '/', '$default', undefined],
  ])('%s %s takes %s', (method, path, key, pathParameters) => {
    const found = route(method, path);
    expect(found?.route.key).toBe(key);
    expect(found?.pathParameters).toEqual(pathParameters);
  });

  it('need a method and a path', () => {
    expect(() => createRouter([{ key: 'things', target: 1 }])).toThrow('the route key things must be');
  });
});
